"""Rectangular windows of cells, and the division of a raster into tiles; integers only."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Window:
    """Rectangle of cells.

    Attributes
    ----------
    row, col : first row and column
    rows, cols : size

    Examples
    --------
    >>> Window(2, 3, 4, 5).grow(1)
    Window(row=1, col=2, rows=6, cols=7)
    >>> Window(2, 3, 4, 5).refine(5).cells
    500
    """

    row: int
    col: int
    rows: int
    cols: int

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.rows * self.cols

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices that select the window from an array."""
        return slice(self.row, self.row + self.rows), slice(self.col, self.col + self.cols)

    def refine(self, scale: int) -> "Window":
        """Return the same rectangle on a grid with cells `scale` times as fine."""
        return Window(self.row * scale, self.col * scale, self.rows * scale, self.cols * scale)

    def grow(self, margin: int) -> "Window":
        """Return the rectangle extended by a margin, in cells, on each side."""
        return Window(self.row - margin, self.col - margin, self.rows + 2 * margin, self.cols + 2 * margin)

    def intersect(self, other: "Window") -> "Window":
        """Return the cells that two windows share; zero rows or columns if there are none."""
        top, left = max(self.row, other.row), max(self.col, other.col)
        bottom = min(self.row + self.rows, other.row + other.rows)
        right = min(self.col + self.cols, other.col + other.cols)
        return Window(top, left, max(0, bottom - top), max(0, right - left))

    def clip(self, rows: int, cols: int, *, is_periodic: bool = False) -> "Window":
        """Return the part inside a raster; columns are not clipped where the raster is periodic in longitude."""
        return self.intersect(Window(0, self.col, rows, self.cols) if is_periodic else Window(0, 0, rows, cols))

    def relative_to(self, row: int, col: int) -> "Window":
        """Return the same rectangle, counted from another cell."""
        return Window(self.row - row, self.col - col, self.rows, self.cols)


def tiles(rows: int, cols: int, side: int) -> list[Window]:
    """Divide a raster into squares, from the north-west, row by row; those in the south and the east may be smaller.

    Parameters
    ----------
    rows, cols : size of the raster
    side : side of the squares, in cells

    Raises
    ------
    ValueError : the side is not positive

    Examples
    --------
    >>> [(tile.rows, tile.cols) for tile in tiles(3, 5, 2)]
    [(2, 2), (2, 2), (2, 1), (1, 2), (1, 2), (1, 1)]
    """
    if side < 1:
        message = f"side of a tile is {side}; it must be at least 1"
        raise ValueError(message)
    return [
        Window(row, col, min(side, rows - row), min(side, cols - col))
        for row in range(0, rows, side)
        for col in range(0, cols, side)
    ]
