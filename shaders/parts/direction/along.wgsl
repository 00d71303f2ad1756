// A row lies along its packs, and a team adds them up: the sums of a row are numbers.
// Provides Sum, Sums, first_of_rows, sum_of, row_sum, row_sums, scales_of, at_scales, rstds_of, pulls, save_rows.
// Requires pack, team, scale, saved, params.

alias Sum = f32;

struct Sums {
    a: Sum,
    b: Sum,
}

// The first element of a row, from its first pack.
fn first_of_rows(v: Pack) -> Sum {
    return pack_first(v);
}

// What a pack adds to the sum of its row.
fn sum_of(v: Pack) -> Sum {
    return pack_sum(v);
}

fn row_sum(v: Sum, team: Team) -> Sum {
    return team_sum(v, team);
}

fn row_sums(v: Sums, team: Team) -> Sums {
    let sums = team_sum2(vec2<f32>(v.a, v.b), team);
    return Sums(sums.x, sums.y);
}

// Of the sums at three scales.
fn scales_of(down: Sum, unit: Sum, up: Sum) -> Sum {
    return scale_of(vec3<f32>(down, unit, up));
}

fn at_scales(down: Sum, unit: Sum, up: Sum, scale: Sum) -> Sum {
    return at_scale(vec3<f32>(down, unit, up), scale);
}

fn rstds_of(power: Sum, count: f32, scale: Sum) -> Sum {
    return rstd_of(power, count, scale);
}

fn pulls(count: f32, rstd: Sum, scale: Sum) -> Sum {
    return pull(count, rstd, scale);
}

fn save_rows(row: u32, hi: Sum, lo: Sum, rstd: Sum) {
    save(params.first + row, hi, lo, rstd);
}
