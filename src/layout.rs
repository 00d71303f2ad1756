//! Vector layouts: how a lane groups the elements of rows into packs, which it loads and stores at once.

/// How the elements of a tensor lie in the packs of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VectorLayout {
    /// One element a pack.
    Scalar,
    /// Four neighbouring elements a pack. Rows are whole packs.
    Vec4,
    /// Four neighbouring elements of half precision a pack. Rows begin anywhere in a word: two rows may share one,
    /// which both store atomically.
    HalfUnaligned,
    /// Vec4, where a lane owns two neighbouring packs: tensors of half precision move both at once, in 16 bytes.
    Vec4x2,
    /// One element of each of four neighbouring rows a pack: a lane goes down columns.
    Perpendicular,
}

/// What a layout means to the code that counts packs.
struct Properties {
    /// Elements of a pack.
    elements: u32,
    /// Elements that an index of a tensor counts at once.
    unit: u32,
    /// The same of a table with a value for each position of a row.
    table_unit: u32,
    /// Alignment phases: the ways in which rows begin in a word. Teams come in multiples of them, and all rows of a
    /// team have the same phase.
    phases: u32,
    /// Rows that a pack has elements of.
    rows: u32,
    /// Neighbouring packs that a lane owns together.
    neighbours: u32,
}

impl VectorLayout {
    #[rustfmt::skip]
    const fn properties(self) -> Properties {
        match self {
            Self::Scalar =>        Properties { elements: 1, unit: 1, table_unit: 1, phases: 1, rows: 1, neighbours: 1 },
            Self::Vec4 =>          Properties { elements: 4, unit: 4, table_unit: 4, phases: 1, rows: 1, neighbours: 1 },
            Self::HalfUnaligned => Properties { elements: 4, unit: 1, table_unit: 1, phases: 2, rows: 1, neighbours: 1 },
            Self::Vec4x2 =>        Properties { elements: 4, unit: 8, table_unit: 4, phases: 1, rows: 1, neighbours: 2 },
            Self::Perpendicular => Properties { elements: 4, unit: 4, table_unit: 1, phases: 1, rows: 4, neighbours: 1 },
        }
    }

    /// Elements of a pack.
    pub const fn elements(self) -> u32 {
        self.properties().elements
    }

    /// Elements that an index of a tensor counts at once.
    pub const fn unit(self) -> u32 {
        self.properties().unit
    }

    /// Elements that an index of a table with a value for each position counts at once.
    pub const fn table_unit(self) -> u32 {
        self.properties().table_unit
    }

    /// The alignment phases of rows.
    pub const fn phases(self) -> u32 {
        self.properties().phases
    }

    /// Rows that a pack has elements of.
    pub const fn rows(self) -> u32 {
        self.properties().rows
    }

    /// Neighbouring packs that a lane owns together.
    pub const fn neighbours(self) -> u32 {
        self.properties().neighbours
    }

    /// Packs that cover a row of so many elements. Of an unaligned row, the first may begin an element early.
    pub const fn packs(self, elements: u32) -> u32 {
        let Properties { elements: pack, phases, rows, .. } = self.properties();
        (elements + phases - 1).div_ceil(pack / rows)
    }
}

/// How a kernel reads a table, such as the weight, for a pack of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableAccess {
    /// One value for a whole row.
    Row,
    /// A value for each position of a row.
    Element,
    /// One value for a run of neighbouring packs.
    Run,
    /// Four values at four indices: a pack has elements of two runs, or begins anywhere.
    Gather,
}
