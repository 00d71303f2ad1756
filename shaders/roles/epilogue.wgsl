// Epilogue: the caller's function, applied last to each element of an output.
//
// `epilogue` is the caller's: src/wgsl/foreign.rs adds it. A kernel says where a result lies before it stores it, on
// lines that end in `// with place`. Shaders without a function of the caller's do not have these lines.

// ---- place
//
// Index of the next result's first element, in the whole tensor as a dense one.

var<private> result_index: u32;

// The elements of an apply kernel lie in rows of the lookups: a step is a row or, with step_rows 0, a column.
fn place_step(block: u32, step: u32, column: u32) {
    let row = params.first_row + block * params.block_rows + step * params.step_rows;
    let packs = select(params.packs, params.steps, params.step_rows == 0u);
    result_index = (row * packs + column + step * params.column_step) * PACK;
}

// ---- place: place_of_pack
//
// A pack lies in its row.

fn place_in_row__place_of_pack(row: u32, column: Column) {
    result_index = (params.first + row) * params.elements + element_of(column, 0u);
}

// ---- place: place_of_elements
//
// Some elements of a pack may be outside its row, so that each has an index. Those outside have that of a neighbour.

var<private> result_indices: vec4<u32>;

fn place_in_row__place_of_elements(row: u32, column: Column) {
    result_indices = vec4<u32>((params.first + row) * params.elements) + indices_of(column);
}

// ---- place: place_of_four_rows
//
// A pack has an element of each of four rows, which are neighbours. `row` counts fours of rows.

fn place_in_row__place_of_four_rows(row: u32, column: Column) {
    let four = (row / params.stride * params.elements + column) * params.stride + row % params.stride;
    result_index = params.first * params.elements + four * PACK;
}

// ---- epilogue: epilogue_of_element
//
// A pack is one element.

fn with_epilogue__epilogue_of_element(y: Pack) -> Pack {
    return epilogue(vec4<f32>(y, 0.0, 0.0, 0.0), result_index).x;
}

// ---- epilogue: epilogue_of_pack
//
// A pack is four neighbours in the tensor, though not always in a row.

fn with_epilogue__epilogue_of_pack(y: Pack) -> Pack {
    return epilogue(y, result_index);
}

// ---- epilogue: epilogue_of_elements
//
// A pack may have elements outside its row.

fn epilogue_of_one(y: f32, index: u32) -> f32 {
    return epilogue(vec4<f32>(y, 0.0, 0.0, 0.0), index).x;
}

fn with_epilogue__epilogue_of_elements(y: Pack) -> Pack {
    return Pack(
        epilogue_of_one(y.x, result_indices.x),
        epilogue_of_one(y.y, result_indices.y),
        epilogue_of_one(y.z, result_indices.z),
        epilogue_of_one(y.w, result_indices.w),
    );
}

// ---- result: output_epilogue
//
// The output has a tensor of its own, which takes what the caller's function returns.

fn store_result__output_epilogue(at: At, y: Pack) {
    store_output(at, with_epilogue(y));
}

// ---- result: in_place_epilogue
//
// What the caller's function returns overwrites the input.

fn store_result__in_place_epilogue(at: At, y: Pack) {
    store_input(at, with_epilogue(y));
}
