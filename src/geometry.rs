//! Geometry: which elements share a statistic, and which share a weight. Pure arithmetic on indices.

/// A reduction over a dense tensor, seen as `[outer, reduced, groups, inner]`. It runs over `reduced` and `inner` and
/// has one result for each `(outer, groups)`. The elements of one result are a group.
///
/// | | groups of the statistics | `[outer, reduced, groups, inner]` |
/// |---|---|---|
/// | layer norm over the last axes | rows | `[1, 1, rows, len]` |
/// | layer norm over axes in the middle | columns of matrices | `[outer, len, columns, 1]` |
/// | batch norm, channels first and last | channels | `[1, N, C, spatial]`, `[1, N * spatial, C, 1]` |
/// | group norm, channels first | groups of samples | `[1, 1, N * G, C / G * spatial]` |
/// | group norm, channels last | groups of samples | `[N, spatial, G, C / G]` |
///
/// The elements that share a weight are groups too. Layer norm has a weight for each position of a row:
/// `[1, rows, len, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reduction {
    pub outer: u32,
    pub reduced: u32,
    pub groups: u32,
    pub inner: u32,
}

impl Reduction {
    pub const fn new(outer: u32, reduced: u32, groups: u32, inner: u32) -> Self {
        Self { outer, reduced, groups, inner }
    }

    /// The number of groups.
    pub const fn group_count(&self) -> u32 {
        self.outer * self.groups
    }

    /// Elements of the tensor.
    pub const fn len(&self) -> u32 {
        self.outer * self.reduced * self.groups * self.inner
    }

    /// Elements of a group.
    pub const fn group_len(&self) -> u32 {
        self.reduced * self.inner
    }

    /// A group for each column of `[outer, reduced, columns]`: `groups` and `inner` are the columns.
    pub const fn by_columns(&self) -> Self {
        Self { groups: self.groups * self.inner, inner: 1, ..*self }
    }

    /// Adjacent elements that chunks of the tensor must not cut, so that the part of a chunk is a reduction too.
    pub const fn slice(&self) -> u32 {
        match (self.outer, self.reduced) {
            (1, 1) => self.inner,
            (1, _) => self.groups * self.inner,
            _ => self.reduced * self.groups * self.inner,
        }
    }

    /// The part of `len` elements from `first` on. Both are multiples of a slice.
    pub const fn part(&self, first: u32, len: u32) -> Part {
        let Self { outer, reduced, groups, inner } = *self;
        let slices = len / self.slice();
        let (reduction, first_group) = match (outer, reduced) {
            (1, 1) => (Self::new(1, 1, slices, inner), first / inner),
            (1, _) => (Self::new(1, slices, groups, inner), 0),
            _ => (Self::new(slices, reduced, groups, inner), first / self.slice() * groups),
        };
        Part { reduction, first_group, shares: outer == 1 && reduced > 1 }
    }

    /// How row and column of an element give the index of its group, for the tensor as rows of `cols` elements. `None`
    /// if no [`Lookup`] does.
    pub fn lookup(&self, cols: u32) -> Option<Lookup> {
        let Self { reduced, groups, inner, .. } = *self;
        let lookup = |rows, quotient, remainder, columns| Some(Lookup { rows, quotient, remainder, columns });
        if inner.is_multiple_of(cols) {
            // A row lies in one run of `inner`.
            let rows = inner / cols;
            return match (self.outer, reduced, groups) {
                (_, 1, _) => lookup(rows, 1, 0, Broadcast::Row),
                (_, _, 1) => lookup(rows * reduced, 1, 0, Broadcast::Row),
                (1, ..) if rows == 1 => lookup(groups, 0, 1, Broadcast::Row),
                _ => None,
            };
        }
        // A row holds several runs.
        let columns = if inner == 1 { Broadcast::Element } else { Broadcast::Run(inner) };
        let runs = cols / inner;
        if !cols.is_multiple_of(inner) || !groups.is_multiple_of(runs) {
            return None;
        }
        match (self.outer, reduced) {
            (..) if groups == runs => lookup(reduced, groups, 0, columns),
            (_, 1) => lookup(1, runs, 0, columns),
            (1, _) => lookup(groups / runs, 0, runs, columns),
            _ => None,
        }
    }
}

/// The part of a reduction in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub reduction: Reduction,
    /// The index of its first group in the whole reduction.
    pub first_group: u32,
    /// Whether every part has elements of all groups.
    pub shares: bool,
}

/// The index of a group: `row / rows * quotient + row % rows * remainder`, plus the term of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub rows: u32,
    pub quotient: u32,
    pub remainder: u32,
    pub columns: Broadcast,
}

/// The term of the column in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broadcast {
    /// No term: a row has one index.
    Row,
    /// The column: each has its own index.
    Element,
    /// The quotient of the column by this many elements.
    Run(u32),
}

impl Lookup {
    /// Whether packs of `elements` can use the lookup: one value, one for each element, or a pack of the table.
    pub fn suits(&self, elements: u32) -> bool {
        match self.columns {
            Broadcast::Row | Broadcast::Run(_) => true,
            // Rows are whole packs, so each row begins at a pack. The values that it looks up must begin at a pack too.
            Broadcast::Element => self.quotient.is_multiple_of(elements) && self.remainder.is_multiple_of(elements),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(reduction: &Reduction, flat: u32) -> u32 {
        let group = flat / reduction.inner % reduction.groups;
        flat / (reduction.inner * reduction.groups * reduction.reduced) * reduction.groups + group
    }

    #[test]
    fn a_lookup_gives_the_index_of_every_element() {
        let mut found = 0;
        for outer in [1, 2, 3] {
            for reduced in [1, 2, 5] {
                for groups in [1, 2, 6] {
                    for inner in [1, 4, 6] {
                        let reduction = Reduction::new(outer, reduced, groups, inner);
                        for cols in (1..=reduction.len()).filter(|&cols| reduction.len().is_multiple_of(cols)) {
                            let Some(lookup) = reduction.lookup(cols) else { continue };
                            found += 1;
                            for flat in 0..reduction.len() {
                                let (row, col) = (flat / cols, flat % cols);
                                let column = match lookup.columns {
                                    Broadcast::Row => 0,
                                    Broadcast::Element => col,
                                    Broadcast::Run(run) => col / run,
                                };
                                let (q, r) = (row / lookup.rows, row % lookup.rows);
                                let actual = q * lookup.quotient + r * lookup.remainder + column;
                                assert_eq!(actual, index(&reduction, flat), "{reduction:?} in rows of {cols}: {flat}");
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
            ("weight of layer norm", Reduction::new(1, 7, 8, 1), 8),
            ("a weight for each sample", Reduction::new(2, 7, 8, 1), 8),
            ("channels of layer norm in the middle", Reduction::new(1, 3, 8, 5), 5),
            ("its statistics", Reduction::new(3, 8, 5, 1), 5),
            ("channels first", Reduction::new(1, 3, 8, 5), 5),
            ("channels of a group", Reduction::new(1, 3, 8, 5), 20),
            ("channels last", Reduction::new(1, 15, 8, 1), 8),
            ("channels last, of each sample", Reduction::new(3, 5, 8, 1), 8),
            ("groups, seen by channels", Reduction::new(1, 1, 6, 20), 5),
            ("groups, channels last", Reduction::new(3, 5, 2, 4), 8),
            ("channels of each sample", Reduction::new(3, 1, 8, 5), 5),
        ];
        for (why, reduction, cols) in cases {
            assert!(reduction.lookup(cols).is_some(), "{why}");
        }
    }
}
