//! Several tensors in a form that burn's dispatch and fusion carry, and the op on them.

use burn::backend::{Backend, ExtensionType, backend_extension, tensor::FloatTensor};

use crate::call::Call;

macro_rules! floats {
    ($($name:ident $count:literal: $($tensor:ident)*;)*) => {
        /// One to ten tensors: no op has more. burn's extensions carry structs and enums, but no `Vec`.
        #[derive(ExtensionType)]
        #[extension_type(fusion: cfg(feature = "fusion"))]
        pub enum Floats<B: Backend> {
            $(#[doc = concat!($count, " of them.")] $name($(#[doc = stringify!($tensor)] FloatTensor<B>),*),)*
        }

        impl<B: Backend> Floats<B> {
            pub(crate) fn new(tensors: Vec<FloatTensor<B>>) -> Self {
                let count = tensors.len();
                let mut tensors = tensors.into_iter();
                let mut next = || tensors.next().expect("as many as counted");
                match count {
                    $($count => {
                        $(let $tensor = next();)*
                        Self::$name($($tensor),*)
                    })*
                    _ => unreachable!("ops have one to ten tensors, not {count}"),
                }
            }

            pub(crate) fn into_vec(self) -> Vec<FloatTensor<B>> {
                match self { $(Self::$name($($tensor),*) => vec![$($tensor),*],)* }
            }
        }

        /// The shapes and storage types that the op will return, for fusion, which runs it later.
        #[cfg(feature = "fusion")]
        fn specs(_: &FloatsMetadata, call: &Call) -> FloatsMetadata {
            use burn::{backend::fusion::custom::TensorSpec, tensor::Shape};

            let outputs: Vec<_> = call
                .outputs()
                .map(|spec| TensorSpec::new(Shape::from(spec.shape.clone()), crate::call::dtype_of(spec)))
                .collect();
            let mut outputs = outputs.into_iter();
            let count = outputs.len();
            let mut next = || outputs.next().expect("as many as counted");
            match count {
                $($count => {
                    $(let $tensor = next();)*
                    FloatsMetadata::$name($($tensor),*)
                })*
                _ => unreachable!("ops have one to ten tensors, not {count}"),
            }
        }
    };
}

floats! {
    One 1: a;
    Two 2: a b;
    Three 3: a b c;
    Four 4: a b c d;
    Five 5: a b c d e;
    Six 6: a b c d e f;
    Seven 7: a b c d e f g;
    Eight 8: a b c d e f g h;
    Nine 9: a b c d e f g h i;
    Ten 10: a b c d e f g h i j;
}

/// The ops of this crate, on the primitives of a backend of burn.
#[backend_extension(Cube, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait NormOps: Backend {
    /// Takes the tensors of [`Call::inputs`] and returns those of [`Call::outputs`].
    #[fusion(meta = specs)]
    fn run_norm(#[extension_type] tensors: Floats<Self>, call: Call) -> Floats<Self>;
}
