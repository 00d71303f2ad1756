// Elements: an element with given statistics, by direction.

// ---- element_forward
// An element is normalized with statistics that are already there.

// What is looked up by the statistic's index.
struct Table__element_forward {
    statistics: Statistics,
}

struct Element__element_forward {
    x: Pack,
    y: Pack,
}

fn table_at__element_forward(i: StatAt) -> Table__element_forward {
    return Table__element_forward(statistics_at(i));
}

fn load_element__element_forward(input_at: At, at: At, table: Table__element_forward, affine: Affine) -> Element__element_forward {
    let x = load_x(input_at, at);
    return Element__element_forward(x, normalize(x, table.statistics));
}

fn store_element__element_forward(element: Element__element_forward, at: At, table: Table__element_forward, affine: Affine) {
    store_sum(at, element.x);
    store_result(at, activate(add_after(apply_bias(apply_weight(element.y, affine.weight), affine.bias), at)));
}

// ---- element_backward
// The gradient of an element is computed, with statistics and coefficients that are already there.

// What is looked up by the statistic's index.
struct Table__element_backward {
    statistics: Statistics,
    lost: Lost,
}

struct Element__element_backward {
    y: Pack,
    grad: Pack,
}

fn table_at__element_backward(i: StatAt) -> Table__element_backward {
    return Table__element_backward(statistics_at(i), lost_at(i));
}

fn load_element__element_backward(input_at: At, at: At, table: Table__element_backward, affine: Affine) -> Element__element_backward {
    let y = normalize(load_x(input_at, at), table.statistics);
    return Element__element_backward(y, gradient(y, affine, at));
}

fn store_element__element_backward(element: Element__element_backward, at: At, table: Table__element_backward, affine: Affine) {
    put_grad_residual(at, element.grad);
    let g = apply_weight(element.grad, affine.weight);
    put_grad_input(at, by_rstd(through_statistics(g, element.y, table.lost), table.statistics));
}

// ---- given_statistics
// The statistics are given: the gradient does not go through them.

struct Lost__given_statistics {
    mean: Stat,
}

fn lost_at__given_statistics(i: StatAt) -> Lost__given_statistics {
    return Lost__given_statistics(Stat(0.0));
}

fn through_statistics__given_statistics(g: Pack, y: Pack, lost: Lost__given_statistics) -> Pack {
    return g;
}

// ---- taken_statistics
// Takes from the gradient what the statistics lose, by two coefficients that an earlier pass merged.

struct Lost__taken_statistics {
    mean: Stat, // of g
    along: Stat, // its share along y
}

fn lost_at__taken_statistics(i: StatAt) -> Lost__taken_statistics {
    return Lost__taken_statistics(load_coefficients(i), load_coefficients(params.stats_stride + i));
}

fn through_statistics__taken_statistics(g: Pack, y: Pack, lost: Lost__taken_statistics) -> Pack {
    return g - lost.mean - slope(y) * lost.along;
}
