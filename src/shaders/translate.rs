//! Translation of WGSL by naga.

use naga::{
    back::{glsl, hlsl, msl, spv},
    front::wgsl,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};

use crate::error::{Error, Result};

/// A shading language, the target of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// SPIR-V 1.3, for Vulkan, with the checks of this crate's own pipelines.
    ///
    /// It clamps indices of arrays in registers and in workgroup memory. It does not clamp those of buffers: that is
    /// for the device, which needs the feature `robustBufferAccess2`. It does not zero workgroup memory, bound loops or
    /// check divisors: this crate's shaders need none of these, as [safety](crate::guide::safety) shows.
    SpirV,
    /// Metal Shading Language 2.4.
    Msl,
    /// HLSL, shader model 6.0, for DX12.
    Hlsl,
    /// GLSL ES 3.1, for GL. It has no subgroup operations.
    Glsl,
}

/// Parses and validates WGSL with naga, and translates its entry point `main`. Returns the text, or the words of SPIR-V
/// as hexadecimal lines.
///
/// # Errors
/// [`Error::Unsupported`] with naga's message, which shows the line.
pub fn translate(source: &str, backend: Backend) -> Result<String> {
    let fail = |what: &str, why: String| Error::Unsupported { what: what.into(), why };
    let module = wgsl::parse_str(source).map_err(|e| fail("the WGSL", e.emit_to_string(source)))?;
    let capabilities =
        Capabilities::SUBGROUP | Capabilities::SUBGROUP_BARRIER | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|e| fail("the WGSL", e.emit_to_string(source)))?;
    let stage = naga::ShaderStage::Compute;
    let text = match backend {
        Backend::SpirV => {
            let options = spv::Options {
                lang_version: (1, 3),
                // Without names, which naga adds in builds for development alone.
                flags: spv::WriterFlags::empty(),
                bounds_check_policies: BoundsCheckPolicies {
                    index: BoundsCheckPolicy::Restrict,
                    ..BoundsCheckPolicies::default()
                },
                zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
                force_loop_bounding: false,
                emit_int_div_checks: false,
                ..Default::default()
            };
            let pipeline = spv::PipelineOptions { shader_stage: stage, entry_point: "main".into() };
            spv::write_vec(&module, &info, &options, Some(&pipeline))
                .map(|words| words.iter().map(|word| format!("{word:08x}")).collect::<Vec<_>>().join("\n"))
                .map_err(|e| fail("SPIR-V", e.to_string()))?
        }
        Backend::Msl => {
            let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
            msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
                .map(|(text, _)| text)
                .map_err(|e| fail("MSL", e.to_string()))?
        }
        Backend::Hlsl => {
            let options = hlsl::Options {
                shader_model: hlsl::ShaderModel::V6_0,
                special_constants_binding: Some(hlsl::BindTarget { space: 1, ..Default::default() }),
                fake_missing_bindings: true,
                // As in this crate's pipelines. FXC takes two minutes to compile zeros for 1024 invocations.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            };
            let mut text = String::new();
            hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
                .write(&module, &info, None)
                .map_err(|e| fail("HLSL", e.to_string()))?;
            text
        }
        Backend::Glsl => {
            let options = glsl::Options { version: glsl::Version::new_gles(310), ..Default::default() };
            let pipeline = glsl::PipelineOptions { shader_stage: stage, entry_point: "main".into(), multiview: None };
            let mut text = String::new();
            glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, BoundsCheckPolicies::default())
                .and_then(|mut writer| writer.write())
                .map_err(|e| fail("GLSL", e.to_string()))?;
            text
        }
    };
    Ok(text)
}
