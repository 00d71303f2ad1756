// Where a row's statistics, weight and bias are. Tensors are seen as rows; an index is
// row / rows * quotient + row % rows * remainder + what the column adds, with the numbers of params.
// Provides Place, place_of, advance, stat_index, param_index. Requires At, StatAt, ParamAt, stat_column, param_column.

// A row divided by `rows`; stepped along, which saves a division for each element.
struct Place {
    quotient: u32,
    remainder: u32,
}

fn place_of(row: u32, rows: u32) -> Place {
    return Place(row / rows, row % rows);
}

fn advance(place: Place, by: Place, rows: u32) -> Place {
    let quotient = place.quotient + by.quotient;
    let remainder = place.remainder + by.remainder;
    let carry = remainder >= rows;
    return Place(select(quotient, quotient + 1u, carry), select(remainder, remainder - rows, carry));
}

fn stat_index(place: Place, column: At) -> StatAt {
    return place.quotient * params.stat_quotient + place.remainder * params.stat_remainder + stat_column(column);
}

fn param_index(place: Place, column: At) -> ParamAt {
    return place.quotient * params.param_quotient + place.remainder * params.param_remainder + param_column(column);
}
