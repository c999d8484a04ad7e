import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter
from synthetic import grid, plane, rough

from demsr.dem.read.stream import ArrayReader
from demsr.dem.windows import Window, tiles
from demsr.errors import CheckpointError, ParamsError
from demsr.inference.land_law import LandLaw
from demsr.inference.super_resolver import SuperResolver
from demsr.model.back_projection import gaussian_residual
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty

NETS = {
    "sub-pixel, symmetric": {"upsampling": "subpixel", "symmetric": True},
    "interpolated": {},
    "direct": {"formulation": "direct"},
}


def make_net(*, seed=0, **options):
    torch.manual_seed(seed)
    net = DemSrNet(2, 8, **options)
    for weight in net.last.parameters():
        torch.nn.init.normal_(weight, std=10 / net.elevation_scale_m)
    return net.eval()


def hills(rows, cols, *, voids=0.0):
    elevation = rough(rows, cols, level=-4000, rms=200)
    generator = np.random.default_rng(1)
    elevation[generator.random((rows, cols)) < voids] = np.nan
    if voids:
        elevation[20:31, 8:22] = np.nan
    return elevation


def whole(resolver, surface):
    window = Window(0, 0, *surface.shape)
    return resolver(*surface.around(window, resolver.reach_px))[0]


def mosaic(resolver, surface, side):
    scale, size = resolver.scale, surface.shape
    result = np.full((size[0] * scale, size[1] * scale), np.inf, np.float32)
    for window in tiles(*size, side):
        result[window.refine(scale).slices] = resolver(*surface.around(window, resolver.reach_px))[0]
    return result


@pytest.mark.parametrize("side", [7, 16, 40])
@pytest.mark.parametrize("voids", [0.0, 0.2])
@pytest.mark.parametrize("options", NETS.values(), ids=NETS.keys())
def test_tiles_are_parts_of_the_whole(options, voids, side):
    resolver = SuperResolver(make_net(**options), precision="float32", consistent=side == 16)
    surface = ArrayReader(hills(44, 38, voids=voids))
    expected = whole(resolver, surface)
    assert np.isnan(expected).any() == bool(voids)
    np.testing.assert_allclose(mosaic(resolver, surface, side), expected, rtol=2.4e-7, atol=2e-3)


def test_standard_errors_agree_where_tiles_meet():
    net = make_net()
    with pytest.raises(CheckpointError, match="has no calibration"):
        SuperResolver(net, uncertain=True)
    net.uncertainty = Uncertainty(
        scale=5,
        log_weights=(0.1, 0.2, 0.3, 0.2, 0.1),
        log_offset=0.2,
        raw_m=(1, 10),
        sigma_m=(2, 15),
        constant_m=5,
        areas=("hills",),
        pixels=1000,
    )
    resolver, surface = SuperResolver(net, precision="float32", uncertain=True), ArrayReader(hills(44, 38, voids=0.1))
    window = Window(0, 0, *surface.shape)
    elevation, sigma = resolver(*surface.around(window, resolver.reach_px))
    np.testing.assert_array_equal(np.isnan(sigma), np.isnan(elevation))
    assert np.nanmin(sigma) > 0
    part = Window(11, 9, 16, 16)
    np.testing.assert_allclose(
        resolver(*surface.around(part, resolver.reach_px))[1], sigma[part.refine(5).slices], rtol=1e-4
    )


def test_less_halo_than_needed_leaves_seams():
    net = make_net()
    surface = ArrayReader(hills(44, 38))
    exact, cheap = (SuperResolver(net, precision="float32", halo_px=halo) for halo in (None, 2))
    seams = np.abs(mosaic(cheap, surface, 16) - whole(exact, surface))
    assert seams.max() > 1e-1
    assert cheap.halo_px == 2 < cheap.exact_halo_px == net.reach_px


def test_voids_stay_exactly_void():
    elevation = hills(30, 30, voids=0.3)
    result = whole(SuperResolver(make_net(), precision="float32"), ArrayReader(elevation))
    np.testing.assert_array_equal(np.isnan(result), np.kron(np.isnan(elevation), np.ones((5, 5), bool)))


def test_plane_with_voids_comes_out_as_the_plane_around_them():
    elevation = plane(30, 32, level=-2000, per_row=40, per_col=-25)
    elevation[4:13, 7:20] = np.nan
    resolver = SuperResolver(make_net(**NETS["sub-pixel, symmetric"]), precision="float32")
    fine = plane(150, 160, level=-2000 - 2 * 8 + 2 * 5, per_row=8, per_col=-5)
    result = whole(resolver, ArrayReader(elevation))
    np.testing.assert_allclose(result, np.where(np.isnan(result), np.nan, fine), rtol=2.4e-7, atol=2e-3)


def test_window_without_measurements_is_void():
    elevation = np.full((20, 20), np.nan, np.float32)
    result = SuperResolver(make_net())(elevation, Window(5, 5, 4, 3))
    assert result.shape == (1, 20, 15)
    assert np.isnan(result).all()


def test_block_means_are_the_input_where_it_was_measured():
    elevation = hills(24, 24)
    identifiers = np.full((24, 24), 40, np.float32)
    identifiers[:, :10] = 11  # multibeam
    net, inner = make_net(), Window(0, 0, 24, 24)
    result, plain = (
        SuperResolver(net, precision="float32", consistent=how)(elevation, inner, identifiers)[0] for how in (1, 0)
    )
    lacking = np.abs(result.astype(np.float64).reshape(24, 5, 24, 5).mean(axis=(1, 3)) - elevation)
    assert lacking[:, :10].max() < 1e-3
    assert lacking[:, 10:].max() > 1
    np.testing.assert_array_equal(result[:, 5 * 17 :], plain[:, 5 * 17 :])


def test_around_the_globe_the_first_column_follows_the_last():
    elevation = hills(20, 36)
    resolver = SuperResolver(make_net(), precision="float32")
    result = mosaic(resolver, ArrayReader(elevation, is_periodic=True), 9)
    turned = mosaic(resolver, ArrayReader(np.roll(elevation, 11, axis=1), is_periodic=True), 9)
    np.testing.assert_allclose(np.roll(turned, -55, axis=1), result, rtol=2.4e-7, atol=2e-3)


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (DemSrNet(1, 8, in_channels=2), {}, "takes 2 channels"),
        (DemSrNet(1, 8), {"precision": "float16"}, "precision is 'float16'"),
        (DemSrNet(1, 8), {"halo_px": 1}, "halo is 1"),
    ],
)
def test_what_cannot_be_applied_is_refused(net, options, message):
    with pytest.raises((CheckpointError, ParamsError), match=message):
        SuperResolver(net, **options)


def test_land_and_sea_are_windows_of_one_coast_whatever_the_tiles():
    land, sea = (make_net(seed=seed) for seed in (1, 2))
    elevation = hills(40, 36) - np.float32(np.median(hills(40, 36)))
    resolver = SuperResolver(CoastNet(land, sea), precision="float32", uncertain=False)
    reader = ArrayReader(elevation)
    np.testing.assert_allclose(mosaic(resolver, reader, 13), mosaic(resolver, reader, 40), rtol=2.4e-7, atol=2e-3)


def test_land_comes_closer_to_the_input_under_its_law_and_the_sea_stays_as_it_is():
    net, size = CoastNet(make_net(seed=1), make_net(seed=2)), 40
    step = 15 / 3600
    law = LandLaw(grid(size, size, north=60 + 10 * step, pixel_width=step, pixel_height=step), 5)
    elevation = 600 + gaussian_filter(rough(size, size, level=0, rms=300), 1.5)
    elevation[:, :12] = -300 - np.abs(elevation[:, :12])
    reader = ArrayReader(elevation)
    plain, corrected = (SuperResolver(net, precision="float32", law=one) for one in (None, law))

    def mosaic_of(resolver, side):
        windows = {window: resolver.window(reader, window)[0] for window in tiles(size, size, side)}
        result = np.full((5 * size, 5 * size), np.inf, np.float32)
        for window, tile in windows.items():
            result[window.refine(5).slices] = tile
        return result

    before, after = mosaic_of(plain, size), mosaic_of(corrected, size)
    np.testing.assert_allclose(mosaic_of(corrected, 11), after, rtol=2.4e-7, atol=2e-3)
    np.testing.assert_array_equal(after[:, : 5 * 9], before[:, : 5 * 9])  # the sea
    np.testing.assert_array_equal(after[: 5 * 7], before[: 5 * 7])  # north of the SRTM
    sigma_px = torch.from_numpy(law.rows(0, size)[0])
    far, near = (
        gaussian_residual(
            *(torch.from_numpy(image)[None, None] for image in (result, elevation)), sigma_px, reach_px=law.reach_px
        )[0, 0, 16:-4, 18:-4].std()
        for result in (before, after)
    )
    assert near < 0.6 * far


def test_type_identifiers_say_what_is_land():
    land, sea = (make_net(seed=seed) for seed in (1, 2))
    polder = -np.abs(hills(16, 16)) - 1
    inner, identifiers = Window(0, 0, 16, 16), np.zeros((16, 16), np.float32)
    resolver = SuperResolver(CoastNet(land, sea), precision="float32")
    alone = SuperResolver(land, precision="float32")
    np.testing.assert_array_equal(resolver(polder, inner, identifiers), alone(polder, inner))


def test_a_wild_net_is_limited_to_the_range_of_the_cells_around_and_to_a_level_of_its_own_on_flat_ground():
    net = make_net()
    torch.nn.init.normal_(net.last.weight, std=50)
    elevation = rough(24, 24, rms=5)
    elevation[:, 12:] = 500.0
    result = whole(SuperResolver(net, precision="float32"), ArrayReader(elevation))
    highest, lowest = (filtered(elevation, 5, mode="nearest") for filtered in (maximum_filter, minimum_filter))
    upper, lower = (np.kron(side, np.ones((5, 5))) for side in (2 * highest - lowest, 2 * lowest - highest))
    assert ((lower <= result) & (result <= upper)).all()
    assert (result == upper).any()
    assert (result[:, 5 * 14 :] == 500.0).all()


def test_the_limit_leaves_bicubic_interpolation_of_a_cliff_as_it_is():
    net = DemSrNet(1, 4)
    torch.nn.init.zeros_(net.last.weight)
    cliff = np.where(np.arange(20) < 10, 0, 1000) + np.where(np.arange(20) < 7, 0, 500)[:, None]
    cliff = cliff.astype(np.float32)
    result = whole(SuperResolver(net.eval(), precision="float32"), ArrayReader(cliff))
    with torch.inference_mode():
        expected = net.base(torch.from_numpy(cliff)[None, None])[0, 0].numpy()
    assert expected.max() > 1500
    np.testing.assert_array_equal(result, expected)
