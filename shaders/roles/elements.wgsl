// Elements: an element with given statistics, by direction.

// ---- element: forward
//
// The output of an element, with statistics that are already there.

struct Table__forward {
    statistics: Statistics,
}

struct Element__forward {
    x: Pack,
    y: Pack,
}

fn table_at__forward(i: StatAt) -> Table__forward {
    return Table__forward(statistics_at(i));
}

fn load_element__forward(at: At, table: Table__forward, affine: Affine) -> Element__forward {
    let x = load_x(at);
    return Element__forward(x, normalize(x, table.statistics));
}

fn store_element__forward(element: Element__forward, at: At, table: Table__forward, affine: Affine) {
    store_sum(at, element.x);
    store_result(at, activate(apply_after(apply_bias(apply_weight(element.y, affine.weight), affine.bias), at)));
}

// ---- element: backward
//
// The gradient of an element, with statistics and coefficients that are already there.

struct Table__backward {
    statistics: Statistics,
    coefficients: Coefficients,
}

struct Element__backward {
    y: Pack,
    grad: Pack,
}

fn table_at__backward(i: StatAt) -> Table__backward {
    return Table__backward(statistics_at(i), coefficients_at(i));
}

fn load_element__backward(at: At, table: Table__backward, affine: Affine) -> Element__backward {
    let y = normalize(load_x(at), table.statistics);
    return Element__backward(y, gradient(y, affine, at));
}

fn store_element__backward(element: Element__backward, at: At, table: Table__backward, affine: Affine) {
    put_grad_residual(at, element.grad);
    put_grad_gate_after(at, affine, element.y);
    let g = apply_weight(element.grad, affine.weight);
    put_grad_input(at, by_rstd(less_statistics_gradient(g, element.y, table.coefficients), table.statistics));
}

// ---- through: given_statistics
//
// The statistics are given: no gradient goes through them.

struct Coefficients__given_statistics {
    mean: Stat,
}

fn coefficients_at__given_statistics(i: StatAt) -> Coefficients__given_statistics {
    return Coefficients__given_statistics(Stat(0.0));
}

fn less_statistics_gradient__given_statistics(g: Pack, y: Pack, coefficients: Coefficients__given_statistics) -> Pack {
    return g;
}

// ---- through: taken_statistics
//
// Subtracts the gradient through the statistics, with two coefficients from an earlier pass.

struct Coefficients__taken_statistics {
    mean: Stat,
    along: Stat, // the factor of the derivative of the measure
}

fn coefficients_at__taken_statistics(i: StatAt) -> Coefficients__taken_statistics {
    return Coefficients__taken_statistics(load_coefficients(i), load_coefficients(params.stats_stride + i));
}

fn less_statistics_gradient__taken_statistics(g: Pack, y: Pack, coefficients: Coefficients__taken_statistics) -> Pack {
    return g - coefficients.mean - measure_derivative(y) * coefficients.along;
}
