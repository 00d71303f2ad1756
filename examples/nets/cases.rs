//! What the networks learn.

use wgpu_norm::testing::Random;

use super::Result;

/// Sequences of `times` inputs, each with its target after it: `[count, times * inputs + 1]`.
pub struct Cases {
    pub values: Vec<f32>,
    pub times: usize,
    pub inputs: usize,
}

impl Cases {
    /// Handwritten digits of 8 by 8 pixels from 0 to 1, and which digit it is. Read as `times` inputs each.
    pub fn digits(times: usize) -> Result<Self> {
        let mut values = Vec::new();
        let csv = include_str!("../data/digits.csv");
        for (i, line) in csv.lines().enumerate() {
            let numbers = line.split(',').map(str::parse).collect::<std::result::Result<Vec<f32>, _>>()?;
            let [pixels @ .., digit] = &numbers[..] else {
                return Err(format!("digits.csv: line {i} is empty").into());
            };
            assert_eq!(pixels.len(), 64, "line {i}");
            values.extend(pixels.iter().map(|pixel| pixel / 16.0));
            values.push(*digit);
        }
        Ok(Self { values, times, inputs: 64 / times })
    }

    /// The adding problem (Hochreiter, Schmidhuber 1997): at each time a number in [0, 1) and a mark, which is 1 in one
    /// place of the first half and in one of the second, and 0 elsewhere. The target is the sum of the two marked
    /// numbers.
    pub fn adding(seed: u64, count: usize, times: usize) -> Self {
        let mut random = Random::new(seed);
        let mut values = Vec::with_capacity(count * (2 * times + 1));
        for _ in 0..count {
            let half = times as u64 / 2;
            let marked = [random.bits() % half, half + random.bits() % half];
            let mut sum = 0.0;
            for time in 0..times as u64 {
                let (number, mark) = (random.uniform() as f32, marked.contains(&time));
                sum += if mark { number } else { 0.0 };
                values.extend([number, f32::from(u8::from(mark))]);
            }
            values.push(sum);
        }
        Self { values, times, inputs: 2 }
    }

    pub fn count(&self) -> usize {
        self.values.len() / (self.times * self.inputs + 1)
    }

    /// The cases in an order that depends on the seed only.
    pub fn shuffled(&self, seed: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.count() as u32).collect();
        shuffle(&mut order, &mut Random::new(seed));
        order
    }
}

/// Fisher and Yates.
pub fn shuffle(order: &mut [u32], random: &mut Random) {
    for i in (1..order.len()).rev() {
        order.swap(i, random.bits() as usize % (i + 1));
    }
}
