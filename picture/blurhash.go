package picture

import (
	"image"
	"math"
)

const (
	blurDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
	blurLong   = 4 // waves along the longer side
	blurShort  = 3
	blurSide   = 32 // of the picture that is looked at: more changes no digit that anybody sees
)

// Blurhash is the picture in about thirty letters, as a wash of its colours that is shown until it has come: cosines of few waves, in linear light, of which the first
// is the mean. What is transparent is white.
func Blurhash(img *image.RGBA) string {
	w, h := within(img.Rect.Dx(), img.Rect.Dy(), blurSide)
	nx, ny := blurLong, blurShort
	if h > w {
		nx, ny = ny, nx
	}
	waves := blurWaves(shrink(img, img.Rect.Dx(), img.Rect.Dy(), w, h), nx, ny)
	most := 0.0
	for _, wave := range waves[1:] {
		for _, v := range wave {
			most = max(most, math.Abs(v))
		}
	}
	step := min(max(int(most*166-0.5), 0), 82)
	scale := float64(step+1) / 166
	out := blurNumber(nil, nx-1+(ny-1)*9, 1)
	out = blurNumber(out, step, 1)
	out = blurNumber(out, encoded(waves[0][0])<<16|encoded(waves[0][1])<<8|encoded(waves[0][2]), 4)
	for _, wave := range waves[1:] {
		n := 0
		for _, v := range wave {
			n = n*19 + min(max(int(math.Copysign(math.Sqrt(math.Abs(v/scale)), v)*9+9.5), 0), 18)
		}
		out = blurNumber(out, n, 2)
	}
	return string(out)
}

// blurWaves is how much of each wave is in each colour.
func blurWaves(img *image.RGBA, nx, ny int) [][3]float64 {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	waves := make([][3]float64, nx*ny)
	for y := range h {
		for x := range w {
			p := img.Pix[img.PixOffset(x, y):]
			light := [3]float64{}
			for i := range light {
				light[i] = linear(float64(p[i]) + 255 - float64(p[3])) // on white
			}
			for k := range waves {
				f := math.Cos(math.Pi*float64(k%nx)*float64(x)/float64(w)) * math.Cos(math.Pi*float64(k/nx)*float64(y)/float64(h))
				if k > 0 {
					f *= 2
				}
				for i := range light {
					waves[k][i] += f * light[i] / float64(w*h)
				}
			}
		}
	}
	return waves
}

// linear is the light of a value of sRGB, encoded the value of a light (IEC 61966-2-1).
func linear(v float64) float64 {
	if v /= 255; v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func encoded(v float64) int {
	if v = min(max(v, 0), 1); v <= 0.0031308 {
		return int(v*12.92*255 + 0.5)
	}
	return int((1.055*math.Pow(v, 1/2.4)-0.055)*255 + 0.5)
}

// blurNumber appends a number of so many digits.
func blurNumber(b []byte, n, digits int) []byte {
	for ; digits > 0; digits-- {
		d := n
		for range digits - 1 {
			d /= len(blurDigits)
		}
		b = append(b, blurDigits[d%len(blurDigits)])
	}
	return b
}
