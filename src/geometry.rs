//! Which elements share a statistic, and which share a weight: pure arithmetic on indices.

/// A view of a dense tensor as `[outer, reduced, kept, inner]`: something is taken over `reduced` and `inner`, once for each
/// `(outer, kept)`.
///
/// | | statistics of | `[outer, reduced, kept, inner]` |
/// |---|---|---|
/// | layer norm over the last axes | a row | `[1, 1, rows, len]` |
/// | layer norm over axes in the middle | a column of a matrix | `[outer, len, columns, 1]` |
/// | batch norm, channels first and last | a channel | `[1, N, C, spatial]`, `[1, N * spatial, C, 1]` |
/// | group norm, channels first and last | a group of a sample | `[1, 1, N * G, C / G * spatial]`, `[N, spatial, G, C / G]` |
///
/// Weight and bias are views of the same kind: layer norm's are kept for each position of a row, `[1, rows, len, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    pub outer: u32,
    pub reduced: u32,
    pub kept: u32,
    pub inner: u32,
}

impl Fold {
    pub const fn new(outer: u32, reduced: u32, kept: u32, inner: u32) -> Self {
        Self { outer, reduced, kept, inner }
    }

    /// How many there are of what is kept.
    pub const fn kept_len(&self) -> u32 {
        self.outer * self.kept
    }

    /// Elements of the tensor.
    pub const fn len(&self) -> u32 {
        self.outer * self.reduced * self.kept * self.inner
    }

    /// Elements that share what is kept.
    pub const fn shared(&self) -> u32 {
        self.reduced * self.inner
    }

    /// Each element of `kept` and `inner` on its own: a statistic for each column of `[outer, reduced, columns]`.
    pub const fn columns(&self) -> Self {
        Self { kept: self.kept * self.inner, inner: 1, ..*self }
    }

    /// Neighbouring elements that a part of the tensor must not cut: it is a fold too, then.
    pub const fn slice(&self) -> u32 {
        match (self.outer, self.reduced) {
            (1, 1) => self.inner,
            (1, _) => self.kept * self.inner,
            _ => self.reduced * self.kept * self.inner,
        }
    }

    /// `len` elements from `first` on, both of whole slices.
    pub const fn part(&self, first: u32, len: u32) -> Part {
        let Self { outer, reduced, kept, inner } = *self;
        let slices = len / self.slice();
        let (fold, first_kept) = match (outer, reduced) {
            (1, 1) => (Self::new(1, 1, slices, inner), first / inner),
            (1, _) => (Self::new(1, slices, kept, inner), 0),
            _ => (Self::new(slices, reduced, kept, inner), first / self.slice() * kept),
        };
        Part { fold, first_kept, shares: outer == 1 && reduced > 1 }
    }

    /// How the index of what is kept follows from row and column of the tensor seen as rows of `cols` elements; `None` where
    /// no [`Lookup`] says it.
    pub fn lookup(&self, cols: u32) -> Option<Lookup> {
        let Self { reduced, kept, inner, .. } = *self;
        let lookup = |rows, quotient, remainder, columns| Some(Lookup { rows, quotient, remainder, columns });
        if inner.is_multiple_of(cols) {
            // A row lies in one run of `inner`.
            let rows = inner / cols;
            return match (self.outer, reduced, kept) {
                (_, 1, _) => lookup(rows, 1, 0, Columns::Whole),
                (_, _, 1) => lookup(rows * reduced, 1, 0, Columns::Whole),
                (1, ..) if rows == 1 => lookup(kept, 0, 1, Columns::Whole),
                _ => None,
            };
        }
        // A row holds several runs.
        let columns = if inner == 1 { Columns::Each } else { Columns::Runs(inner) };
        let runs = cols / inner;
        if !cols.is_multiple_of(inner) || !kept.is_multiple_of(runs) {
            return None;
        }
        match (self.outer, reduced) {
            (..) if kept == runs => lookup(reduced, kept, 0, columns),
            (_, 1) => lookup(1, runs, 0, columns),
            (1, _) => lookup(kept / runs, 0, runs, columns),
            _ => None,
        }
    }
}

/// A part of a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub fold: Fold,
    /// The index, in the whole, of the first that is kept.
    pub first_kept: u32,
    /// Whether every part keeps the same ones, and reduces some of their elements.
    pub shares: bool,
}

/// The index of what is kept: `row / rows * quotient + row % rows * remainder`, and what the column adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub rows: u32,
    pub quotient: u32,
    pub remainder: u32,
    pub columns: Columns,
}

/// What the column adds to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Nothing: a row shares one.
    Whole,
    /// Itself: each column has its own.
    Each,
    /// Its quotient by this many elements.
    Runs(u32),
}

impl Lookup {
    /// Whether a pack of `elements` neighbours finds what it looks up: one value, one for each element, or a pack of a table.
    pub fn suits(&self, elements: u32) -> bool {
        match self.columns {
            Columns::Whole | Columns::Runs(_) => true,
            // A row begins at a pack if its length is one; so must what is kept.
            Columns::Each => self.quotient.is_multiple_of(elements) && self.remainder.is_multiple_of(elements),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(fold: &Fold, flat: u32) -> u32 {
        let kept = flat / fold.inner % fold.kept;
        flat / (fold.inner * fold.kept * fold.reduced) * fold.kept + kept
    }

    #[test]
    fn a_lookup_gives_the_index_of_every_element() {
        let mut found = 0;
        for outer in [1, 2, 3] {
            for reduced in [1, 2, 5] {
                for kept in [1, 2, 6] {
                    for inner in [1, 4, 6] {
                        let fold = Fold::new(outer, reduced, kept, inner);
                        for cols in (1..=fold.len()).filter(|&cols| fold.len().is_multiple_of(cols)) {
                            let Some(lookup) = fold.lookup(cols) else { continue };
                            found += 1;
                            for flat in 0..fold.len() {
                                let (row, col) = (flat / cols, flat % cols);
                                let column = match lookup.columns {
                                    Columns::Whole => 0,
                                    Columns::Each => col,
                                    Columns::Runs(run) => col / run,
                                };
                                let (q, r) = (row / lookup.rows, row % lookup.rows);
                                let actual = q * lookup.quotient + r * lookup.remainder + column;
                                assert_eq!(actual, index(&fold, flat), "{fold:?} in rows of {cols}: {flat}");
                            }
                        }
                    }
                }
            }
        }
        assert!(found > 200, "{found}");
    }

    #[test]
    fn the_lookups_that_ops_need_are_there() {
        let cases = [
            ("weight of layer norm", Fold::new(1, 7, 8, 1), 8),
            ("a weight for each sample", Fold::new(2, 7, 8, 1), 8),
            ("channels of layer norm in the middle", Fold::new(1, 3, 8, 5), 5),
            ("its statistics", Fold::new(3, 8, 5, 1), 5),
            ("channels first", Fold::new(1, 3, 8, 5), 5),
            ("channels of a group", Fold::new(1, 3, 8, 5), 20),
            ("channels last", Fold::new(1, 15, 8, 1), 8),
            ("channels last, of each sample", Fold::new(3, 5, 8, 1), 8),
            ("groups, seen by channels", Fold::new(1, 1, 6, 20), 5),
            ("groups, channels last", Fold::new(3, 5, 2, 4), 8),
            ("channels of each sample", Fold::new(3, 1, 8, 5), 5),
        ];
        for (why, fold, cols) in cases {
            assert!(fold.lookup(cols).is_some(), "{why}");
        }
    }
}
