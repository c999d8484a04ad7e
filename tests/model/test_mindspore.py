import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore_files import content, demnet, entry, field, raw, raw_entry, varint, with_crc, write

from demsr.errors import CheckpointError, ParamsError
from demsr.model.mindspore import import_mindspore
from demsr.model.srnet import DemSrNet

FUZZ = settings(max_examples=60, deadline=None, database=None, derandomize=True)


@pytest.fixture(scope="module")
def recorded(shared: Path) -> tuple[Path, torch.Tensor, torch.Tensor]:
    """A checkpoint that MindSpore wrote, an input, and the output of the reference."""
    with np.load(shared / "parity" / "demnet_1block.npz") as arrays:
        return shared / "parity" / "demnet_1block.ckpt", torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "net.ckpt"


def weights(net: DemSrNet) -> dict[str, torch.Tensor]:
    """The weights under the names that the reference gives them."""
    convolutions = {"conv1": net.head, "conv2": net.body, "conv_up": net.before, "conv_out": net.last}
    for number, block in enumerate(net.blocks):
        convolutions |= {f"body.{number}.res_conv1": block.first, f"body.{number}.res_conv2": block.second}
    return {f"{name}.weight": convolution.weight for name, convolution in convolutions.items()}


def test_the_imported_net_gives_what_the_reference_gave(recorded):
    path, scaled_lr, scaled_sr = recorded
    net = import_mindspore(path)
    assert (net.num_blocks, net.features, net.in_channels, net.training) == (1, 256, 1, False)
    with torch.inference_mode():
        torch.testing.assert_close(net(scaled_lr), scaled_sr, atol=1e-4, rtol=0)


def test_with_a_range_it_gives_the_same_in_metres(recorded):
    path, scaled_lr, scaled_sr = recorded
    net = import_mindspore(path, scaled_range_m=(-11_000, 9_000))
    with torch.inference_mode():
        sr_m = net(scaled_lr * 20_000 - 11_000)
    torch.testing.assert_close((sr_m + 11_000) / 20_000, scaled_sr, atol=1e-4, rtol=0)


def test_the_width_of_the_range_cancels(tmp_path):
    path = write(tmp_path / "net.ckpt", demnet())
    lr_m = 1000 * torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        narrow = import_mindspore(path, scaled_range_m=(0, 5000))(lr_m)
        wide = import_mindspore(path, scaled_range_m=(0, 9000))(lr_m)
    # without biases, the net of a multiple is the multiple of the net
    torch.testing.assert_close(narrow, wide, atol=1e-5 * float(wide.abs().max()), rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("num_blocks", "features"), [(1, 1), (2, 3)])
def test_weights_come_back_in_any_order_and_without_the_state_of_the_training(tmp_path, dtype, num_blocks, features):
    parameters = {name: value.to(dtype) for name, value in demnet(num_blocks, features).items()}
    state = {f"{prefix}.{name}": value for prefix in ("moment1", "moment2") for name, value in parameters.items()}
    scalars = ("learning_rate", "global_step", "beta1_power", "scale_sense", "current_iterator_step", "epoch_num")
    entries = list((parameters | state | dict.fromkeys(scalars, torch.tensor([7], dtype=torch.int32))).items())
    random.Random(2).shuffle(entries)
    net = import_mindspore(write(tmp_path / "net.ckpt", dict(entries)), num_blocks=num_blocks)
    assert (net.num_blocks, net.features) == (num_blocks, features)
    assert (net.formulation, net.long_skip, net.interpolation) == ("direct", "input", "corner")
    assert (net.residual_scale, net.elevation_offset_m, net.elevation_scale_m) == (0.1, 0, 1)
    found = weights(net)
    assert found.keys() == parameters.keys()
    assert all(torch.equal(found[name], value.float()) for name, value in parameters.items())


def test_a_tensor_in_several_entries_is_put_together(tmp_path):
    parameters = demnet()
    values = raw(parameters.pop("conv2.weight"))
    pieces = [
        raw_entry("conv2.weight", (3, 3, 3, 3), "Float32", piece) for piece in (values[:5], values[5:200], values[200:])
    ]
    (tmp_path / "net.ckpt").write_bytes(b"".join(pieces) + content(parameters))
    assert raw(weights(import_mindspore(tmp_path / "net.ckpt"))["conv2.weight"].detach()) == values


def test_a_recorded_crc_is_checked(tmp_path):
    path = tmp_path / "net.ckpt"
    path.write_bytes(with_crc(content(demnet())))
    assert import_mindspore(path).num_blocks == 2
    damaged = bytearray(path.read_bytes())
    damaged[40] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"net.ckpt: the CRC-32 of its content is \w+, it records \w+; give a"):
        import_mindspore(path)


def test_a_file_that_ends_between_two_parameters_is_told_by_its_depth(tmp_path):
    whole = demnet(num_blocks=2)
    path = write(tmp_path / "net.ckpt", dict(list(whole.items())[:-2]))
    assert import_mindspore(path).num_blocks == 1
    with pytest.raises(CheckpointError, match="net.ckpt: the net has 1 blocks, required are 2; give a complete"):
        import_mindspore(path, num_blocks=2)


def without(name: str) -> bytes:
    return content({key: value for key, value in demnet().items() if key != name})


def with_head(shape: tuple[int, ...], *, kind: str = "Float32", values: bytes = b"") -> bytes:
    return raw_entry("conv1.weight", shape, kind, values) + without("conv1.weight")


def with_value(value: float) -> bytes:
    parameters = demnet()
    parameters["conv_up.weight"][1, 2, 0, 1] = value
    return content(parameters)


WHOLE, HUGE = content(demnet()), 2**62
BROKEN = {
    "nothing": (b"", "the net has 0 blocks, required are some"),
    "another kind of file": (b"PK\3\4" + bytes(100), "an entry is not a named tensor"),
    "a sentence": (b"conv1.weight", "a field of wire type 3 declares 111 bytes, 10 are left"),
    "a number without end": (b"\xff" * 30, "an integer has no end"),
    "an entry without a tensor": (field(1, field(1, b"conv1.weight")), "an entry is not a named tensor"),
    "an entry that is a number": (varint(8) + varint(5), "an entry is not a named tensor"),
    "another message": (field(2, field(1, b"a")), "an entry is not a named tensor"),
    "a declared size beyond the end": (varint(10) + varint(HUGE) + b"abc", f"declares {HUGE} bytes, 3 are left"),
    "another net": (entry("encoder.weight", torch.ones(2)), "parameter 'encoder.weight' is not part of DEMNet"),
    "one parameter too many": (
        WHOLE + entry("conv1.bias", torch.ones(3)),
        "parameter 'conv1.bias' is not part of DEMNet",
    ),
    "a name of a megabyte": (entry("x" * 2**20, torch.ones(1)), f"parameter '{'x' * 80}' is not part of DEMNet"),
    "only the optimiser": (entry("moment1.conv1.weight", torch.ones(1)), "the net has 0 blocks"),
    "no head": (without("conv1.weight"), r"conv1.weight is missing, required are 8 parameters for 2 blocks"),
    "a gap in the body": (without("body.1.res_conv2.weight"), r"body.1.res_conv2.weight is missing"),
    "blocks not from 0": (WHOLE.replace(b"body.0", b"body.7"), "body.0.res_conv1.weight is missing"),
    "three channels": (content(demnet(in_channels=2)), r"\(3, 2, 3, 3\), required is \(features, 1, 3, 3\): the lo"),
    "other kernels": (content(demnet(kernel=5)), r"conv1.weight has shape \(3, 1, 5, 5\)"),
    "no features": (with_head((0, 1, 3, 3)), r"conv1.weight has shape \(0, 1, 3, 3\)"),
    "a head of no shape": (with_head(()), r"conv1.weight has shape \(\)"),
    "a shape of many numbers": (with_head((1,) * 9999), r"conv1.weight has shape \(1, 1, 1, 1, 1, 1, 1, 1\), required"),
    "a shape larger than the file": (with_head((HUGE, 1, 3, 3)), f"conv1.weight has 0 bytes, required are {HUGE * 36}"),
    "a layer that does not fit": (content(demnet() | {"conv2.weight": torch.ones(2, 3, 3, 3)}), r"has shape \(2, 3"),
    "bytes missing": (with_head((3, 1, 3, 3), values=bytes(104)), "conv1.weight has 104 bytes, required are 108"),
    "double precision": (with_head((3, 1, 3, 3), kind="Float64", values=bytes(216)), "type 'Float64', required is"),
    "no type": (with_head((3, 1, 3, 3), kind="", values=bytes(108)), "type '', required is one of Float32, "),
    "a parameter twice": (WHOLE * 2, "conv1.weight has 216 bytes, required are 108"),
    "two shapes for one name": (WHOLE + content(demnet(features=4)), r"the shapes \(3, 1, 3, 3\) and \(4, 1, 3, 3\)"),
    "not a number": (with_value(float("nan")), "conv_up.weight has values that are not finite"),
    "infinity": (with_value(float("-inf")), "conv_up.weight has values that are not finite"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(tmp_path, case):
    broken, reason = BROKEN[case]
    (tmp_path / "net.ckpt").write_bytes(broken)
    with pytest.raises(
        CheckpointError, match=rf"net\.ckpt: .*({reason}).*; give a complete, unencrypted checkpoint"
    ) as caught:
        import_mindspore(tmp_path / "net.ckpt")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["", "nothing.ckpt"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(CheckpointError, match=rf"{tmp_path / name}: .*(directory|No such file).*; give a complete"):
        import_mindspore(tmp_path / name)


@pytest.mark.parametrize("scaled_range_m", [(0, 0), (9000, -11_000), (0, float("nan")), (float("-inf"), 0)])
def test_a_range_that_is_none_is_refused(scaled_range_m):
    with pytest.raises(ParamsError, match=r"range is .* m; give the elevations at 0 and at 1, the lower one first"):
        import_mindspore(Path("net.ckpt"), scaled_range_m=scaled_range_m)


def refused_or_finite(path: Path, damaged: bytes) -> bool:
    """Return whether the file was refused; any error but CheckpointError ends the test."""
    path.write_bytes(damaged)
    try:
        net = import_mindspore(path)
    except CheckpointError:
        return True
    assert all(bool(parameter.isfinite().all()) for parameter in net.parameters())
    return False


SMALL = content({name: value.half() for name, value in demnet(num_blocks=1, features=1).items()})


def test_no_beginning_of_a_file_is_taken_for_the_whole(scratch):
    assert all(refused_or_finite(scratch, SMALL[:length]) for length in range(len(SMALL)))
    assert not refused_or_finite(scratch, SMALL)


def test_no_flipped_bit_does_more_than_change_a_weight(scratch):
    taken = 0
    for place in range(8 * len(SMALL)):
        damaged = bytearray(SMALL)
        damaged[place // 8] ^= 1 << place % 8
        taken += not refused_or_finite(scratch, bytes(damaged))
    assert taken <= 8 * 6 * 18  # the bits of six kernels of nine float16 values


@FUZZ
@given(noise=st.binary(max_size=300))
def test_noise_is_refused(scratch, noise):
    assert refused_or_finite(scratch, noise)


@FUZZ
@given(data=st.data())
def test_a_damaged_file_of_mindspore_is_refused_or_has_finite_weights(recorded, scratch, data):
    damaged = bytearray(recorded[0].read_bytes())
    places = st.one_of(st.integers(0, 300), st.integers(0, 8 * len(damaged) - 1))  # the first header, or anywhere
    for place in data.draw(st.lists(places, max_size=40)):
        damaged[place // 8] ^= 1 << place % 8
    length = data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))
    refused = refused_or_finite(scratch, bytes(damaged[:length]))
    assert refused or length == len(damaged)
