package picture

import (
	"image"
	"image/draw"
)

// within is a size with the same proportions, neither side longer than side; nothing becomes larger.
func within(w, h, side int) (int, int) {
	long := max(w, h)
	if long <= side {
		return w, h
	}
	fit := func(n int) int { return max(1, int((int64(n)*int64(side)+int64(long)/2)/int64(long))) }
	return fit(w), fit(h)
}

// shrink is an image of w times h pixels in small: each pixel is the mean of those that it stands for. What the image does not cover is transparent. Beside the result it
// takes a line of the image.
func shrink(from image.Image, w, h, toW, toH int) *image.RGBA {
	to := image.NewRGBA(image.Rect(0, 0, toW, toH))
	line := image.NewRGBA(image.Rect(0, 0, w, 1))
	sums := make([]uint64, 4*toW)
	for y := range toH {
		clear(sums)
		first, last := y*h/toH, (y+1)*h/toH
		for row := first; row < last; row++ {
			clear(line.Pix)
			draw.Draw(line, line.Rect, from, image.Pt(0, row), draw.Src)
			addLine(sums, line.Pix, w, toW)
		}
		for x := range toW {
			n := uint64((x+1)*w/toW-x*w/toW) * uint64(last-first)
			for i := range 4 {
				to.Pix[y*to.Stride+4*x+i] = uint8((sums[4*x+i] + n/2) / n)
			}
		}
	}
	return to
}

// addLine adds each pixel of a line to the sum of that which stands for it.
func addLine(sums []uint64, line []uint8, w, toW int) {
	for x := range toW {
		s := sums[4*x : 4*x+4]
		for p := line[4*(x*w/toW) : 4*((x+1)*w/toW)]; len(p) >= 4; p = p[4:] {
			s[0] += uint64(p[0])
			s[1] += uint64(p[1])
			s[2] += uint64(p[2])
			s[3] += uint64(p[3])
		}
	}
}

// sideways tells whether a picture stands on its side (values of Exif).
func sideways(orientation int) bool { return orientation >= 5 && orientation <= 8 }

// turned is a size as it is shown.
func turned(w, h, orientation int) (int, int) {
	if sideways(orientation) {
		return h, w
	}
	return w, h
}

// turn is an image as it is shown.
func turn(from *image.RGBA, orientation int) *image.RGBA {
	if orientation <= upright {
		return from
	}
	w, h := from.Rect.Dx(), from.Rect.Dy()
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	if sideways(orientation) {
		to = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range to.Rect.Dy() {
		for x := range to.Rect.Dx() {
			fx, fy := x, y
			if sideways(orientation) {
				fx, fy = y, x
			}
			// Which sides of the stored picture are those of the shown one (CIPA DC-008 section 4.6.4).
			if orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8 {
				fx = w - 1 - fx
			}
			if orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7 {
				fy = h - 1 - fy
			}
			copy(to.Pix[to.PixOffset(x, y):][:4], from.Pix[from.PixOffset(fx, fy):][:4])
		}
	}
	return to
}
