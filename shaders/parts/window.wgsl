// The window of a channel: its neighbours at the same place, as far as they are there. The tensor is [outer, channels, stride]
// in packs.
// Provides power_at. Requires load_input, params.channels, params.stride, params.before, params.after, params.alpha, params.beta,
// params.k.

// What the window of a channel divides by.
struct Power {
    divisor: Pack, // k + alpha * sum of squares
    inverse: Pack, // divisor to the power of -beta
}

// `first` is where the place has its first channel.
fn power_at(first: u32, channel: u32) -> Power {
    let end = min(channel + params.after, params.channels - 1u);
    var squares = Pack();
    for (var i = channel - min(channel, params.before); i <= end; i += 1u) {
        let x = load_input(first + i * params.stride);
        squares += x * x;
    }
    let divisor = params.k + params.alpha * squares;
    return Power(divisor, exp2(-params.beta * log2(divisor)));
}
