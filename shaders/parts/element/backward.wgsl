// The gradient of an element is computed, with statistics and coefficients that are already there.
// Provides Table, table_at, Element, load_element, store_element. Requires x, statistics, affine, weight, gradient, through,
// grad_input, grad_residual.

// What is looked up by the statistic's index.
struct Table {
    statistics: Statistics,
    lost: Lost,
}

struct Element {
    y: Pack,
    grad: Pack,
}

fn table_at(i: StatAt) -> Table {
    return Table(statistics_at(i), lost_at(i));
}

fn load_element(input_at: At, at: At, table: Table, affine: Affine) -> Element {
    let y = normalize(load_x(input_at, at), table.statistics);
    return Element(y, gradient(y, affine, at));
}

fn store_element(element: Element, at: At, table: Table, affine: Affine) {
    put_grad_residual(at, element.grad);
    let g = apply_weight(element.grad, affine.weight);
    put_grad_input(at, by_rstd(through_statistics(g, element.y, table.lost), table.statistics));
}
