// Four rows lie across a pack, which has an element of each, and the next pack of them is params.stride further. Their sums are a pack, and a
// lane has all of them.
// Provides Sum, Sums, first_of_rows, sum_of, row_sum, row_sums, rstds_of, pulls, save_rows. Requires pack of four, team/lane, scale, saved, params.

alias Sum = vec4<f32>;

struct Sums {
    a: Sum,
    b: Sum,
}

// The first element of each row, from their first pack.
fn first_of_rows(v: Pack) -> Sum {
    return v;
}

// What a pack adds to the sums of its rows.
fn sum_of(v: Pack) -> Sum {
    return v;
}

fn row_sum(v: Sum, team: Team) -> Sum {
    return v;
}

fn row_sums(v: Sums, team: Team) -> Sums {
    return v;
}

fn rstds_of(power: Sum, count: f32) -> Sum {
    let first = vec2<f32>(rstd_of(power.x, count), rstd_of(power.y, count));
    return Sum(first, rstd_of(power.z, count), rstd_of(power.w, count));
}

fn pulls(count: f32, rstd: Sum) -> Sum {
    return Sum(pull(count, rstd.x), pull(count, rstd.y), pull(count, rstd.z), pull(count, rstd.w));
}

fn save_rows(row: u32, hi: Sum, lo: Sum, rstd: Sum) {
    for (var i = 0u; i < PACK; i += 1u) {
        save(params.first + row * PACK + i, hi[i], lo[i], rstd[i]);
    }
}
