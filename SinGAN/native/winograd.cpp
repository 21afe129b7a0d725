// 3 x 3 convolutions of stride 1 with Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray 2016): each
// 6 x 6 tile of the input gives a 4 x 4 tile of the output, with 36 multiplications per filter instead of 144.
//
// Images are (batch, channels, height, width), or with `last` (batch, height, width, channels); weights are (outputs,
// inputs, 3, 3). Numbers of channels are multiples of 16; one of them may be smaller, see few_channels.h. Bands of an
// image are processed one after the other, with the channels last.

#include "few_channels.h"
#include "winograd.h"

#include <algorithm>

namespace {

constexpr long FEWEST = 16;  // channels from which tiles are faster

// A band of an image: (height, width, channels).
struct Band {
    const float* memory;
    long height, width, channels;
};

// Rows [first, first + count) of an image at planes (channels, height, width), to band (count, width, channels);
// or back with BACK. The threads share the work without waiting for each other.
template <bool BACK, typename Planes, typename Rows>
inline void repack(Planes* planes, long channels, long height, long width, long first, long count, Rows* band) {
#pragma omp for schedule(static) nowait
    for (long row = 0; row < count; ++row)
        repack_row<BACK>(planes + (first + row) * width, height * width, channels, width,
                         band + row * width * channels);
}

// SIDE x SIDE pixels of the band from (top, left), zero outside of it; WIDTH channels, starting at `channel`.
template <int SIDE>
inline void cut(const Band& band, long top, long left, long channel, Vector* tile) {
    const bool whole = top >= 0 && left >= 0 && top + SIDE <= band.height && left + SIDE <= band.width;
    for (int i = 0; i < SIDE; ++i)
        for (int j = 0; j < SIDE; ++j) {
            const long y = top + i, x = left + j;
            const bool inside = whole || (y >= 0 && y < band.height && x >= 0 && x < band.width);
            tile[i * SIDE + j] = inside ? load(band.memory + (y * band.width + x) * band.channels + channel) : Vector{};
        }
}

// The tile at (top, left), transformed: to made[point * step + channel / BLOCK * apart + channel % BLOCK].
template <int SIDE, void (*transform)(const Vector*, Vector*)>
inline void tile_at_points(const Band& band, long top, long left, float* made, long step, long apart) {
    for (long channel = 0; channel < band.channels; channel += WIDTH) {
        Vector tile[SIDE * SIDE], points[POINTS];
        cut<SIDE>(band, top, left, channel, tile);
        both_ways<SIDE, 6, transform>(tile, points);
        float* const here = made + channel / BLOCK * apart + channel % BLOCK;
        for (long point = 0; point < POINTS; ++point) store(here + point * step, points[point]);
    }
}

// Where filter `output` of channel `input` lies among (filters / BLOCK, inputs, BLOCK).
inline long place(long input, long inputs, long output) {
    return (output / BLOCK * inputs + input) * BLOCK + output % BLOCK;
}

// Weights (outputs, inputs, 3, 3), or those of the convolution that leads gradients back, transformed: to made
// (36, filters / BLOCK, inputs, BLOCK). The threads share the work, and don't wait for each other.
inline void weights_at_points(const float* weights, long inputs, long outputs, long filters, bool back, float* made) {
#pragma omp for schedule(static) nowait
    for (long job = 0; job < inputs * (filters / WIDTH); ++job) {
        const long input = job / (filters / WIDTH), output = job % (filters / WIDTH) * WIDTH;
        const float* const here = weights + (back ? input * outputs + output : output * inputs + input) * 9;
        Vector taps[9] = {}, points[POINTS];
        for (long tap = 0; tap < 9 && output < outputs; ++tap)
            for (long lane = 0; lane < WIDTH; ++lane)
                taps[tap][lane] = back ? here[lane * 9 + 8 - tap] : here[lane * inputs * 9 + tap];
        both_ways<3, 6, weigh>(taps, points);
        for (long point = 0; point < POINTS; ++point)
            store(made + point * inputs * filters + place(input, inputs, output), points[point]);
    }
}

// The products of a tile at the points, (36, step) of which `channels` are its own, transformed: to the tile at
// (top, left) of made (height, width, channels), plus bias.
inline void tile_from_points(const float* products, long step, const float* bias, float* made, long height, long width,
                             long channels, long top, long left) {
    for (long channel = 0; channel < channels; channel += WIDTH) {
        Vector points[POINTS], tile[16];
        for (long point = 0; point < POINTS; ++point) points[point] = load(products + point * step + channel);
        both_ways<6, 4, interpolate>(points, tile);
        const Vector offset = bias ? load(bias + channel) : Vector{};
        for (long i = 0; i < std::min(4L, height - top); ++i)
            for (long j = 0; j < std::min(4L, width - left); ++j)
                store(made + ((top + i) * width + left + j) * channels + channel, tile[i * 4 + j] + offset);
    }
}

}  // namespace

extern "C" {

// y, of (height + 2 padding - 2) x (width + 2 padding - 2) pixels, = x * w + bias. Where `back`, w is
// (inputs, outputs, 3, 3), and is turned around. bias may be null.
void convolve(const float* x, const float* w, const float* bias, float* y, long batch, long height, long width,
              long inputs, long outputs, long padding, int last, int back, int threads) {
    const long high = height + 2 * padding - 2, wide = width + 2 * padding - 2, filters = rounded(outputs, BLOCK);
    if (inputs < FEWEST) {
        const Thin thin(height, width, inputs, padding, outputs, high);
        return widen(thin, x, w, bias, y, batch, last, back, threads);
    }
    if (outputs < FEWEST) {
        const Thin thin(high, wide, outputs, 2 - padding, inputs, high);
        return narrow(thin, x, w, bias, y, batch, last, back, threads);
    }
    const Tiles tiles(high, wide, std::max(inputs, outputs));
    static thread_local Room room;
    float* const at_points = room.of(POINTS * inputs * filters + (4 * tiles.band + 2) * width * inputs +
                                     4 * tiles.band * wide * outputs);  // (36, filters / BLOCK, inputs, BLOCK)
    float* const given = at_points + POINTS * inputs * filters;
    float* const result = given + (4 * tiles.band + 2) * width * inputs;
    const long most = std::max(16L, 1024 / inputs / ROWS * ROWS);  // tiles per step: they fit into the cache of a core
    const long share = (tiles.band * tiles.columns + threads - 1) / threads, parts = (share + most - 1) / most;
    const long together = rounded((share + parts - 1) / parts, ROWS);
    const long value_step = step_of(together, inputs), product_step = step_of(together, filters);
#pragma omp parallel num_threads(threads)
    {
        // 1. The weights at the points, for all tiles.
        weights_at_points(w, inputs, outputs, filters, back, at_points);
        static thread_local Room own;
        float* const values = own.of(POINTS * (value_step + product_step));  // (36, together, inputs)
        float* const products = values + POINTS * value_step;                 // (36, together, filters)
        for (long part = 0; part < batch * tiles.bands; ++part) {
            const long row = part % tiles.bands * tiles.band, image = part / tiles.bands;
            const long rows = std::min(tiles.band, tiles.rows - row), first = std::max(0L, 4 * row - padding);
            const float* const source = x + image * inputs * height * width;
            float* const target = y + image * outputs * high * wide;
            const Band band{last ? source + first * width * inputs : given,
                            std::min(height, 4 * (row + rows) + 2 - padding) - first, width, inputs};
            // 2. A band of the input with the channels last.
            if (!last) repack<false>(source, inputs, height, width, first, band.height, given);
            float* const made = last ? target + 4 * row * wide * outputs : result;
            const long made_rows = std::min(4 * rows, high - 4 * row);
#pragma omp barrier
#pragma omp for schedule(static)
            for (long start = 0; start < rows * tiles.columns; start += together) {
                const long count = std::min(together, rows * tiles.columns - start);
                // 3. Its tiles at the points.
                for (long one = 0; one < count; ++one) {
                    const long top = (start + one) / tiles.columns * 4, left = (start + one) % tiles.columns * 4;
                    tile_at_points<6, evaluate>(band, 4 * row + top - padding - first, left - padding,
                                                values + one * inputs, value_step, BLOCK);
                }
                // 4. A product of matrices for each point: the sums over the input channels.
                for (long point = 0; point < POINTS; ++point)
                    for (long block = 0; block < outputs; block += BLOCK)
                        for (long some = 0; some < count; some += ROWS)
                            multiply<false, false>(values + point * value_step + some * inputs, inputs,
                                                   at_points + (point * filters + block) * inputs, BLOCK, inputs,
                                                   products + point * product_step + some * filters + block, filters);
                // 5. Back from the points to tiles of the output.
                for (long one = 0; one < count; ++one) {
                    const long top = (start + one) / tiles.columns * 4, left = (start + one) % tiles.columns * 4;
                    tile_from_points(products + one * filters, product_step, bias, made, made_rows, wide, outputs, top,
                                     left);
                }
            }
            // 6. The band of the output in its layout.
            if (!last) repack<true>(target, outputs, high, wide, 4 * row, made_rows, result);
        }
    }
}

// gradient (outputs, inputs, 3, 3): of <g, x * w> by w, g having (height + 2 padding - 2) x .. pixels.
void weight_gradient(const float* x, const float* g, float* gradient, long batch, long height, long width, long inputs,
                     long outputs, long padding, int last, int threads) {
    const long high = height + 2 * padding - 2, wide = width + 2 * padding - 2, filters = rounded(outputs, BLOCK);
    if (inputs < FEWEST) {
        const Thin thin(height, width, inputs, padding, outputs, high);
        return gradient_of_thin(thin, x, g, gradient, batch, last, false, threads);
    }
    if (outputs < FEWEST) {
        const Thin thin(high, wide, outputs, 2 - padding, inputs, height);
        return gradient_of_thin(thin, g, x, gradient, batch, last, true, threads);
    }
    const Tiles tiles(high, wide, std::max(inputs, outputs));
    const long together = std::max(32L, std::min(4, threads) * 4096 / (inputs + filters));  // tiles
    static thread_local Room room;
    // values and spreads (36, channels / BLOCK, together, BLOCK): values that are read together are adjacent
    const long value_step = step_of(together, rounded(inputs, BLOCK)), spread_step = step_of(together, filters);
    const long apart = together * BLOCK;
    float* const values = room.of(POINTS * (value_step + spread_step + inputs * filters) +
                                  (4 * tiles.band + 2) * width * inputs + 4 * tiles.band * wide * outputs);
    float* const spreads = values + POINTS * value_step;
    float* const sums = spreads + POINTS * spread_step;  // (36, filters / BLOCK, inputs, BLOCK)
    float* const given = sums + POINTS * inputs * filters;
    float* const made = given + (4 * tiles.band + 2) * width * inputs;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static) nowait
        for (long point = 0; point < POINTS; ++point)
            std::fill_n(sums + point * inputs * filters, inputs * filters, 0.0f);
        for (long part = 0; part < batch * tiles.bands; ++part) {
            const long row = part % tiles.bands * tiles.band, image = part / tiles.bands;
            const long rows = std::min(tiles.band, tiles.rows - row), first = std::max(0L, 4 * row - padding);
            const float* const image_x = x + image * inputs * height * width;
            const float* const image_g = g + image * outputs * high * wide;
            const Band from{last ? image_x + first * width * inputs : given,
                            std::min(height, 4 * (row + rows) + 2 - padding) - first, width, inputs};
            const Band to{last ? image_g + 4 * row * wide * outputs : made, std::min(4 * rows, high - 4 * row), wide,
                          outputs};
            // 1. Bands of the input and of the gradient with the channels last.
            if (!last) repack<false>(image_x, inputs, height, width, first, from.height, given);
            if (!last) repack<false>(image_g, outputs, high, wide, 4 * row, to.height, made);
#pragma omp barrier
            for (long start = 0; start < rows * tiles.columns; start += together) {
                const long count = std::min(together, rows * tiles.columns - start);
                // 2. Their tiles at the points.
#pragma omp for schedule(static)
                for (long one = 0; one < count; ++one) {
                    const long top = (start + one) / tiles.columns * 4, left = (start + one) % tiles.columns * 4;
                    tile_at_points<6, evaluate>(from, 4 * row + top - padding - first, left - padding,
                                                values + one * BLOCK, value_step, apart);
                    tile_at_points<4, spread>(to, top, left, spreads + one * BLOCK, spread_step, apart);
                }
                // 3. A product of matrices for each point: the sums over the tiles.
#pragma omp for schedule(static)
                for (long point = 0; point < POINTS; ++point)
                    for (long block = 0; block < outputs; block += BLOCK)
                        for (long some = 0; some < inputs; some += ROWS) {
                            const float* const left = values + point * value_step + some / BLOCK * apart + some % BLOCK;
                            const float* const right = spreads + point * spread_step + block / BLOCK * apart;
                            float* const sum = sums + point * inputs * filters + place(some, inputs, block);
                            multiply<true, true>(left, BLOCK, right, BLOCK, count, sum, BLOCK);
                        }
            }
        }
        // 4. Back from the points to the 9 weights.
#pragma omp for schedule(static)
        for (long input = 0; input < inputs; ++input)
            for (long output = 0; output < outputs; output += WIDTH) {
                Vector points[POINTS], taps[9];
                for (long point = 0; point < POINTS; ++point)
                    points[point] = load(sums + point * inputs * filters + place(input, inputs, output));
                both_ways<6, 3, gather>(points, taps);
                for (long lane = 0; lane < WIDTH; ++lane)
                    for (long tap = 0; tap < 9; ++tap)
                        gradient[((output + lane) * inputs + input) * 9 + tap] = taps[tap][lane];
            }
    }
}
}
