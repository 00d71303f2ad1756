"""ONNX Runtime's WebGPU execution provider: a model of one node, its tensors on the device by IO binding.

Parameters are initializers, as an exporter writes them. ONNX has no gradients, so backward cases are left out. Where
the provider cannot run a node, ONNX Runtime would run it on the CPU; that is turned off.

The WebGPU provider must find a GPU; ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1 lets it take a software adapter.
"""

import os

import peers

os.environ.setdefault("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")

try:
    import numpy as np
    import onnxruntime as ort
    import onnxruntime_ep_webgpu as webgpu
    from onnx import helper, numpy_helper

    ort.set_default_logger_severity(3)
    ort.register_execution_provider_library("webgpu", webgpu.get_library_path())
    DEVICE = next((d for d in ort.get_ep_devices() if d.ep_name == webgpu.get_ep_name()), None)
except Exception as e:
    peers.unavailable("onnxruntime", f"{type(e).__name__}: {e}")
if DEVICE is None:
    peers.unavailable("onnxruntime", "the WebGPU provider found no device")

# Name of the node, operator set that has it, inputs after the first.
NODES = {
    "layer_norm": ("LayerNormalization", 17, ["weight", "bias"]),
    "rms_norm": ("RMSNormalization", 23, ["weight"]),
    "batch_norm_inference": ("BatchNormalization", 17, ["weight", "bias", "mean", "var"]),
}
# Of ONNX Runtime's own operator set. The fourth output is the sum.
SKIP_NODES = {"layer_norm": "SkipLayerNormalization", "rms_norm": "SkipSimplifiedLayerNormalization"}


def model(case):
    constants = {}
    if case.op == "group_norm":
        # What exporters write: the provider cannot run all of GroupNormalization.
        opset, channels = 17, [case.shape[1]] + [1] * (len(case.shape) - 2)
        constants = {
            "groups": np.array([0, case.groups, -1]),
            "shape": np.array(case.shape),
            "ones": case.numpy(np.ones(case.groups)),
            "zeros": case.numpy(np.zeros(case.groups)),
            "weight": case.numpy(case.weight).reshape(channels),
            "bias": case.numpy(case.bias).reshape(channels),
        }
        nodes = [
            helper.make_node("Reshape", ["x", "groups"], ["rows"]),
            helper.make_node("InstanceNormalization", ["rows", "ones", "zeros"], ["normalized"], epsilon=peers.EPS),
            helper.make_node("Reshape", ["normalized", "shape"], ["back"]),
            helper.make_node("Mul", ["back", "weight"], ["scaled"]),
            helper.make_node("Add", ["scaled", "bias"], ["y"]),
        ]
    else:
        node, opset, parameters = NODES[case.op]
        constants = {name: case.numpy(getattr(case, name)) for name in parameters}
        if case.residual:
            inputs, outputs, domain = ["x", "other", *parameters], ["y", "", "", "sum"], "com.microsoft"
            node = SKIP_NODES[case.op]
        else:
            inputs, outputs, domain = ["x", *parameters], ["y"], ""
        # The last axis is the default.
        nodes = [helper.make_node(node, inputs, outputs, domain=domain, epsilon=peers.EPS)]
    element = helper.np_dtype_to_tensor_dtype(np.dtype(peers.NUMPY[case.dtype]))
    tensor = lambda name: helper.make_tensor_value_info(name, element, case.shape)
    initializers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    inputs, outputs = (["x", "other"], ["y", "sum"]) if case.residual else (["x"], ["y"])
    graph = helper.make_graph(nodes, case.name, list(map(tensor, inputs)), list(map(tensor, outputs)), initializers)
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    # The least IR version that has the newest of these operator sets.
    return helper.make_model(graph, opset_imports=sets, ir_version=11).SerializeToString()


def prepare(_, case):
    if case.backward:
        raise peers.Skip("ONNX has no gradients")
    if case.op != "group_norm" and case.op not in NODES:
        raise peers.Skip("not an op of ONNX")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_provider_for_devices([DEVICE], {})
    session = ort.InferenceSession(model(case), options)

    memory = DEVICE.memory_info(ort.OrtDeviceMemoryType.DEFAULT)
    kind = peers.NUMPY[case.dtype]
    on_device = lambda: ort.OrtValue.ortvalue_from_shape_and_type(case.shape, kind, memory_info=memory)
    inputs = {"x": case.x, "other": case.other} if case.residual else {"x": case.x}
    outputs = {name: on_device() for name in (["y", "sum"] if case.residual else ["y"])}
    binding = session.io_binding()
    for name, values in inputs.items():
        value = on_device()
        ort.copy_tensors([ort.OrtValue.ortvalue_from_numpy(case.numpy(values))], [value], None)
        binding.bind_ortvalue_input(name, value)
    for name, value in outputs.items():
        binding.bind_ortvalue_output(name, value)
    # `synchronize_outputs` returns before the GPU is done. Reading the output waits, as its copy comes after all runs.
    read = lambda: [value.numpy() for value in outputs.values()]
    return lambda: session.run_with_iobinding(binding), outputs["y"].numpy, read


peers.drive(["onnxruntime"], None, prepare, adds_residuals=True)
