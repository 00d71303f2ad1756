// An element is normalized with statistics that are already there.
// Provides Table, table_at, Element, load_element, store_element. Requires x, statistics, sum, affine, weight, bias, after,
// activation, result.

// What is looked up by the statistic's index.
struct Table {
    statistics: Statistics,
}

struct Element {
    x: Pack,
    y: Pack,
}

fn table_at(i: StatAt) -> Table {
    return Table(statistics_at(i));
}

fn load_element(input_at: At, at: At, table: Table, affine: Affine) -> Element {
    let x = load_x(input_at, at);
    return Element(x, normalize(x, table.statistics));
}

fn store_element(element: Element, at: At, table: Table, affine: Affine) {
    store_sum(at, element.x);
    store_result(at, activate(add_after(apply_bias(apply_weight(element.y, affine.weight), affine.bias), at)));
}
