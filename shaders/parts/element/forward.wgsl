// An element is normalized with statistics that are already there.
// Provides Element, load_element, store_element. Requires x, statistics, sum, weight, bias, after, activation, result.

struct Element {
    x: Pack,
    y: Pack,
}

fn load_element(input_at: u32, at: u32, stat: u32, param: u32) -> Element {
    let x = load_x(input_at, at);
    return Element(x, normalize(x, stat));
}

fn store_element(element: Element, at: u32, stat: u32, param: u32) {
    store_sum(at, element.x);
    store_result(at, activate(add_after(apply_bias(apply_weight(element.y, param), param), at)));
}
