// The gradient of an element is computed, with statistics and coefficients that are already there.
// Provides Element, load_element, store_element. Requires x, statistics, weight, gradient, through, grad_input,
// grad_residual.

struct Element {
    y: Pack,
    grad: Pack,
}

fn load_element(input_at: u32, at: u32, stat: u32, param: u32) -> Element {
    let y = normalize(load_x(input_at, at), stat);
    return Element(y, gradient(y, param, at));
}

fn store_element(element: Element, at: u32, stat: u32, param: u32) {
    put_grad_residual(at, element.grad);
    let g = apply_weight(element.grad, param);
    put_grad_input(at, through_statistics(g, element.y, stat) * rstd_at(stat));
}
