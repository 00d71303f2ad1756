//! Vector layouts: how a lane groups the elements of rows into packs, which it loads and stores at once.

/// How the elements of a tensor lie in the packs of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VectorLayout {
    /// One element a pack.
    Scalar,
    /// Four neighbouring elements a pack. Rows are whole packs.
    Vec4,
    /// Four neighbouring elements of half precision a pack. Rows begin anywhere in a word. Two rows may share a word,
    /// to which both store atomically.
    HalfUnaligned,
    /// Vec4 for a lane with two neighbouring packs: it moves both packs of half precision at once, in 16 bytes.
    Vec4x2,
    /// One element of each of four neighbouring rows a pack: a lane walks down columns.
    Perpendicular,
    /// Two neighbouring elements and their rotary partners a pack. Behind the rotated elements, four neighbours.
    Partners,
    /// Four elements a pack, each loaded alone: the same ones as of partners, or four neighbours.
    Singles,
}

/// The properties of a layout, for code that counts packs.
struct Properties {
    /// Elements of a pack.
    elements: u32,
    /// Elements that one step of a tensor's index counts.
    unit: u32,
    /// The same for a table with a value for each position of a row.
    table_unit: u32,
    /// Alignment phases: consecutive rows start at different offsets in a word (period 2). The step from a
    /// row of a team to its next is a multiple of it, so that all have the same phase.
    phases: u32,
    /// Rows with elements in a pack.
    rows: u32,
    /// Neighbouring packs of a lane.
    neighbours: u32,
}

impl VectorLayout {
    #[rustfmt::skip]
    const fn properties(self) -> Properties {
        let [elements, unit, table_unit, phases, rows, neighbours] = match self {
            Self::Scalar =>        [1, 1, 1, 1, 1, 1],
            Self::Vec4 =>          [4, 4, 4, 1, 1, 1],
            Self::HalfUnaligned => [4, 1, 1, 2, 1, 1],
            Self::Vec4x2 =>        [4, 8, 4, 1, 1, 2],
            Self::Perpendicular => [4, 4, 1, 1, 4, 1],
            Self::Partners =>      [4, 2, 2, 1, 1, 1],
            Self::Singles =>       [4, 1, 1, 1, 1, 1],
        };
        Properties { elements, unit, table_unit, phases, rows, neighbours }
    }

    /// Elements of a pack.
    pub const fn elements(self) -> u32 {
        self.properties().elements
    }

    /// Elements that one step of a tensor's index counts.
    pub const fn unit(self) -> u32 {
        self.properties().unit
    }

    /// The same for a table with a value for each position of a row.
    pub const fn table_unit(self) -> u32 {
        self.properties().table_unit
    }

    /// The number of alignment phases of rows.
    pub const fn phases(self) -> u32 {
        self.properties().phases
    }

    /// Rows with elements in a pack.
    pub const fn rows(self) -> u32 {
        self.properties().rows
    }

    /// Neighbouring packs of a lane.
    pub const fn neighbours(self) -> u32 {
        self.properties().neighbours
    }

    /// Packs that cover a row of this many elements. The first pack of an unaligned row may begin one element early.
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
