"""Markup of the viewer that `viewer.js` brings to life."""

from collections.abc import Mapping

from demsr.pages.markup import escaped

_RELIEF = {"nearest": "Input, cells", "bicubic": "Input, bicubic", "sr": "Super-resolved"}
_SIGMA = {"sigma": "Uncertainty (standard error)"}
_TRUTH = {"truth": "Truth", "error": "Error: super-resolved - truth", "bicubic-error": "Error: bicubic - truth"}
_CHANGE = {"change": "Super-resolved - bicubic", "blocks": "Block mean - input"}


def viewer(*, has_sigma: bool, has_truth: bool) -> str:
    """Return the viewer: two layers with a movable border between them, and a profile.

    Parameters
    ----------
    has_sigma : offer the uncertainty as a layer
    has_truth : offer the truth and errors as layers
    """
    layers = {**_RELIEF, **(_TRUTH if has_truth else {}), **(_SIGMA if has_sigma else {}), **_CHANGE}
    return f"""<section class="viewer" aria-label="Map">
<noscript><p>The map needs JavaScript; the tables and charts below do not.</p></noscript>
<div class="bar">
<label class="scene">Shown <select id="scene"></select></label>
<label>Left <select id="left">{_choices(layers, "nearest")}</select></label>
<label>Right <select id="right">{_choices(layers, "sr")}</select></label>
<label class="swipe">Border <input id="swipe" type="range" min="0" max="100" value="50" step="1"></label>
<span class="buttons"><button type="button" id="in" aria-label="Zoom in">+</button>
<button type="button" id="out" aria-label="Zoom out">&minus;</button>
<button type="button" id="fit">Whole</button>
<button type="button" id="draw" aria-pressed="false">Draw a profile</button></span>
</div>
<canvas id="map" tabindex="0" role="img" aria-label="Hillshade of two layers with a border between them"
 aria-describedby="hint"></canvas>
<p id="readout" class="readout"></p>
<div id="legend" class="scales"></div>
<p id="hint" class="hint">Drag the border or the map; zoom with two fingers, + and -, or the wheel once the map has the
focus. Keys on the map: arrows move it, [ and ] move the border, 0 shows the whole, p draws a profile. While a profile
is drawn, arrows move its end, with Shift its start.</p>
<figure class="chart profile"><figcaption>Profile along the line, elevation (m)</figcaption>
<svg id="profile" viewBox="0 0 900 300" role="img" aria-labelledby="profile-text"></svg>
<ul id="profile-legend" class="legend"></ul>
<p id="profile-text" aria-live="polite"></p></figure>
</section>
"""


def _choices(layers: Mapping[str, str], chosen: str) -> str:
    return "".join(
        f'<option value="{escaped(key)}"{" selected" if key == chosen else ""}>{escaped(name)}</option>'
        for key, name in layers.items()
    )
