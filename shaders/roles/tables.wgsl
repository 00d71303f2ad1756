// Tables: the value that a pack finds in a table of statistics (Stat) or of weight and bias (AffineValue), and the
// index of a column, by how the pack looks it up.

// ---- one value for a whole row

alias Stat__stat_row = f32;

alias StatAt__stat_row = u32;

fn stat_column__stat_row(column: Column) -> StatAt__stat_row {
    return 0u;
}

alias AffineValue__affine_row = f32;

alias AffineAt__affine_row = u32;

fn affine_column__affine_row(column: Column) -> AffineAt__affine_row {
    return 0u;
}

// ---- a value for each position

alias Stat__stat_element = Pack;

alias StatAt__stat_element = u32;

fn stat_column__stat_element(column: Column) -> StatAt__stat_element {
    return number_of(column);
}

alias AffineValue__affine_element = Pack;

alias AffineAt__affine_element = u32;

fn affine_column__affine_element(column: Column) -> AffineAt__affine_element {
    return number_of(column);
}

// ---- a value for each position, of a pack that has elements of four rows at one position

alias Stat__stat_position = f32;

alias StatAt__stat_position = u32;

fn stat_column__stat_position(column: Column) -> StatAt__stat_position {
    return number_of(column);
}

alias AffineValue__affine_position = f32;

alias AffineAt__affine_position = u32;

fn affine_column__affine_position(column: Column) -> AffineAt__affine_position {
    return number_of(column);
}

// ---- a value for each position, of a pack of elements that are not all neighbours

alias AffineValue__affine_apart = Pack;

alias AffineAt__affine_apart = Column;

fn affine_column__affine_apart(column: Column) -> AffineAt__affine_apart {
    return column;
}

// ---- one value for a run of packs

alias Stat__stat_run = f32;

alias StatAt__stat_run = u32;

fn stat_column__stat_run(column: Column) -> StatAt__stat_run {
    return number_of(column) / params.stat_run;
}

alias AffineValue__affine_run = f32;

alias AffineAt__affine_run = u32;

fn affine_column__affine_run(column: Column) -> AffineAt__affine_run {
    return number_of(column) / params.affine_run;
}

// ---- four values, as a pack has elements of two runs or begins anywhere

alias Stat__stat_gather = Pack;

alias StatAt__stat_gather = vec4<u32>;

fn stat_column__stat_gather(column: Column) -> StatAt__stat_gather {
    return indices_of(column) / params.stat_run;
}

alias AffineValue__affine_gather = Pack;

alias AffineAt__affine_gather = vec4<u32>;

fn affine_column__affine_gather(column: Column) -> AffineAt__affine_gather {
    return indices_of(column) / params.affine_run;
}
