"""The pace table as a picture: for each client, what each way of counting makes of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from service import Cell, Model, Network, Table

# Read on light and on dark pages: the picture brings its own paper.
PAPER, INK, FAINT = "#ffffff", "#1f2328", "#d8dee4"
THEIRS, OURS = "#7d5fb2", "#0a7d33"
MARKS = {"sliding": "o", "fixed": "s", "bucket": "D", "spaced": "^", "429s count": "v"}


def plot(
    path: Path,
    table: Table,
    clients: Sequence[str],
    networks: Sequence[Network],
    models: Sequence[Model],
) -> None:
    """Save a row of two panels for each network: what is used of the rate, and the 429s."""
    size = (9.6, 2.75 * len(networks) + 0.5)
    figure = Figure(figsize=size, facecolor=PAPER, layout="constrained")
    rows = figure.subplots(len(networks), 2, sharex="col", sharey=True, squeeze=False)
    for (used, refused), network in zip(rows, networks, strict=True):
        found = {
            (client, model.name): table[Cell(client, network, model)]
            for client in clients
            for model in models
        }
        _draw(used, clients, {key: one.utilisation for key, one in found.items()})
        _draw(refused, clients, {key: one.refused for key, one in found.items()})
        used.set_title(
            f"{network.name}: of 5 requests a second, % used", loc="left", fontsize=10, color=INK
        )
        refused.set_title("429s per 1,000 checks", loc="left", fontsize=10, color=INK)
        used.set_xlim(0, 104)
        for client, name in zip(clients, used.get_yticklabels(), strict=True):
            if _is_ours(client):
                name.set(color=OURS, fontweight="bold")
        _scale_refused(refused)
    figure.legend(
        handles=[_mark(model.name, INK, label=said(model)) for model in models],
        title="if the service counts",
        loc="outside lower center",
        ncols=len(models),
        frameon=False,
        labelcolor=INK,
        fontsize=9,
        title_fontsize=9,
    )
    figure.savefig(path, dpi=110, facecolor=PAPER)


def said(model: Model) -> str:
    """Return what the legend says of a model."""
    if model.rejected_count_too:
        return f"{model.counting}, and 429s count, too"
    return model.name


def _is_ours(client: str) -> bool:
    return client.startswith("s2v-detect")


def _draw(panel: Axes, clients: Sequence[str], values: Mapping[tuple[str, str], float]) -> None:
    panel.set_yticks(range(len(clients)), clients)
    panel.set_ylim(len(clients) - 0.5, -0.5)
    for height, client in enumerate(clients):
        colour = OURS if _is_ours(client) else THEIRS
        own = {model: value for (of, model), value in values.items() if of == client}
        reach = [min(own.values()), max(own.values())]
        panel.plot(reach, [height, height], color=colour, linewidth=2, alpha=0.4)
        for model, value in own.items():
            line = _mark(model, colour, at=(value, height))
            panel.add_line(line)
    _dress(panel)


def _mark(
    model: str, colour: str, *, at: tuple[float, float] | None = None, label: str = ""
) -> Line2D:
    xs, ys = ([at[0]], [at[1]]) if at else ([], [])
    return Line2D(
        xs,
        ys,
        marker=MARKS[model],
        linestyle="",
        color=colour,
        markersize=7,
        markeredgecolor=PAPER,
        markeredgewidth=0.7,
        clip_on=False,
        zorder=3,
        label=label,
    )


def _dress(panel: Axes) -> None:
    panel.set_facecolor(PAPER)
    panel.grid(axis="x", color=FAINT, linewidth=0.7)
    panel.tick_params(colors=INK, length=0, labelsize=9)
    for spine in panel.spines.values():
        spine.set_visible(False)


def _scale_refused(panel: Axes) -> None:
    shown: Callable[[int], str] = "{:,}".format
    ticks = [0, 1, 10, 100, 1_000, 10_000]
    panel.set_xscale("symlog", linthresh=1, linscale=0.5)
    panel.set_xticks(ticks, [shown(tick) for tick in ticks])
    panel.set_xlim(-0.2, 30_000)
