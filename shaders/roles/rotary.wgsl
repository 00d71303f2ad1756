// Rotary: the position embedding behind a norm, which rotates pairs of elements by angles of the row's position.
//
// A kernel says which pack of which row a result is before it stores it, on lines that end in `// with place`.

// ---- place: place_of_rotary
//
// Whether the next result is rotated, and the cosine and the sine of its first pair and of its second.

var<private> is_rotated: bool;

var<private> rotation: vec4<f32>;

// A position past the table reads the table's last row.
fn place_in_row__place_of_rotary(row: u32, column: Column) {
    let pack = number_of(column);
    is_rotated = pack < ROTARY_PACKS;
    if is_rotated {
        let position = min(positions[(params.first + row) / ROTARY_HEADS], ROTARY_POSITIONS - 1u);
        rotation = rotary_table[position * ROTARY_PACKS + pack];
    }
}

// ---- rotated: rotary_partners
//
// The first two elements of a pack are the first ones of its pairs.

fn rotated__rotary_partners(u: Pack) -> Pack {
    let cos = rotation.xz;
    let sin = rotation.yw;
    let turned = Pack(u.xy * cos - u.zw * sin, u.zw * cos + u.xy * sin);
    return select(u, turned, is_rotated);
}

// ---- rotated: rotary_neighbours
//
// Two neighbours are a pair.

fn rotated__rotary_neighbours(u: Pack) -> Pack {
    let cos = rotation.xz;
    let sin = rotation.yw;
    let first = u.xz * cos - u.yw * sin;
    let second = u.yw * cos + u.xz * sin;
    return select(u, Pack(first.x, second.x, first.y, second.y), is_rotated);
}

// ---- result: output_rotary
//
// The output has a tensor of its own, which takes the rotated result.

fn store_result__output_rotary(at: At, y: Pack) {
    store_output(at, rotated(y));
}

// ---- result: in_place_rotary
//
// The rotated result overwrites the input.

fn store_result__in_place_rotary(at: At, y: Pack) {
    store_input(at, rotated(y));
}
