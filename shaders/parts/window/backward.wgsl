// The gradient of local response norm: goes through the channels whose windows the element is in, which is the window mirrored.
// The power of each is computed again from the input, which is near, so there is no scratch.
// Provides put. Requires window, power_of, add, total, params.

fn put(at: u32, first: u32, channel: u32) {
    let reach = window(channel, params.after, params.before);
    let x = load_input(at);
    var direct = Pack(0.0);
    var through = Pair();
    for (var i = reach.x; i <= reach.y; i += 1u) {
        let other = first + i * params.stride;
        let power = power_of(first, i);
        let g = load_grad_output(other) * power.inverse;
        if i == channel {
            direct = g;
        }
        // x is in this window, so x times other over base is of the order of 1, where base alone may be tiny.
        through = add(through, g * (x * (load_input(other) / power.base)));
    }
    store_grad_input(at, direct - 2.0 * params.alpha * params.beta * total(through));
}
