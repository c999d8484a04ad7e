"""Rectangles of cells, and how a raster is cut into them; integers only."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of cells that begins at (row, col)."""

    row: int
    col: int
    rows: int
    cols: int

    @property
    def cells(self) -> int:
        """How many cells it holds."""
        return self.rows * self.cols

    @property
    def slices(self) -> tuple[slice, slice]:
        """What it takes of an array."""
        return slice(self.row, self.row + self.rows), slice(self.col, self.col + self.cols)

    def refine(self, scale: int) -> "Window":
        """Return the same rectangle in cells that are `scale` times as fine."""
        return Window(self.row * scale, self.col * scale, self.rows * scale, self.cols * scale)

    def grow(self, cells: int) -> "Window":
        """Return the rectangle that reaches further by some cells on each side."""
        return Window(self.row - cells, self.col - cells, self.rows + 2 * cells, self.cols + 2 * cells)

    def clip(self, rows: int, cols: int, *, is_periodic: bool = False) -> "Window":
        """Return the part that lies in a raster; where that goes around the globe, columns go on beyond its sides."""
        top, bottom = max(0, self.row), min(rows, self.row + self.rows)
        left, right = self.col, self.col + self.cols
        if not is_periodic:
            left, right = max(0, left), min(cols, right)
        return Window(top, left, max(0, bottom - top), max(0, right - left))

    def relative_to(self, row: int, col: int) -> "Window":
        """Return the same rectangle, counted from another cell."""
        return Window(self.row - row, self.col - col, self.rows, self.cols)


def tiles(rows: int, cols: int, side: int) -> list[Window]:
    """Cut a raster into squares, from the north-west, row by row; those in the south and the east may be smaller.

    Parameters
    ----------
    rows, cols : of the raster
    side : of the squares, in cells

    Raises
    ------
    ValueError : a side that is not positive
    """
    if side < 1:
        message = f"side of a tile is {side}; it must be at least 1"
        raise ValueError(message)
    return [
        Window(row, col, min(side, rows - row), min(side, cols - col))
        for row in range(0, rows, side)
        for col in range(0, cols, side)
    ]
