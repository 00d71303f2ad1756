// Four rows lie across a pack, which has an element of each, and the next pack of them is params.stride further. Their sums are a pack, and a
// lane has all of them.
// Provides Sum, Sums, first_of_rows, sum_of, row_sum, row_sums, scales_of, at_scales, rstds_of, pulls, save_rows.
// Requires pack of four, team/lane, scale, saved, params.

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

// Of the sums at three scales.
fn scales_of(down: Sum, unit: Sum, up: Sum) -> Sum {
    let x = scale_of(vec3<f32>(down.x, unit.x, up.x));
    let y = scale_of(vec3<f32>(down.y, unit.y, up.y));
    let z = scale_of(vec3<f32>(down.z, unit.z, up.z));
    return Sum(x, y, z, scale_of(vec3<f32>(down.w, unit.w, up.w)));
}

fn at_scales(down: Sum, unit: Sum, up: Sum, scale: Sum) -> Sum {
    let x = at_scale(vec3<f32>(down.x, unit.x, up.x), scale.x);
    let y = at_scale(vec3<f32>(down.y, unit.y, up.y), scale.y);
    let z = at_scale(vec3<f32>(down.z, unit.z, up.z), scale.z);
    return Sum(x, y, z, at_scale(vec3<f32>(down.w, unit.w, up.w), scale.w));
}

fn rstds_of(power: Sum, count: f32, scale: Sum) -> Sum {
    let first = vec2<f32>(rstd_of(power.x, count, scale.x), rstd_of(power.y, count, scale.y));
    return Sum(first, rstd_of(power.z, count, scale.z), rstd_of(power.w, count, scale.w));
}

fn pulls(count: f32, rstd: Sum, scale: Sum) -> Sum {
    let first = vec2<f32>(pull(count, rstd.x, scale.x), pull(count, rstd.y, scale.y));
    return Sum(first, pull(count, rstd.z, scale.z), pull(count, rstd.w, scale.w));
}

fn save_rows(row: u32, hi: Sum, lo: Sum, rstd: Sum) {
    for (var i = 0u; i < PACK; i += 1u) {
        save(params.first + row * PACK + i, hi[i], lo[i], rstd[i]);
    }
}
