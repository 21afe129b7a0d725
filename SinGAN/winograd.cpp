// 3 x 3 convolutions of stride 1 with Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray 2016): of each
// 6 x 6 tile of the input comes a 4 x 4 tile of the output, with 36 multiplications a filter in place of 144.
//
// Polynomials are evaluated at 0, +-a, +-b and infinity, a and b being such that rounding errors are small. Images are
// (batch, channels, height, width), or where `last` (batch, height, width, channels); weights (outputs, inputs, 3, 3);
// channels are multiples of 16. Bands of an image are worked on one after the other, with the channels last.

#include <algorithm>
#include <cstdlib>

namespace {

#if defined(__AVX512F__)
constexpr long WIDTH = 16, ROWS = 8;
#elif defined(__AVX__)
constexpr long WIDTH = 8, ROWS = 4;
#else
constexpr long WIDTH = 4, ROWS = 4;
#endif
constexpr long BLOCK = 2 * WIDTH;  // filters that are multiplied at once
constexpr long POINTS = 36;
constexpr long BAND = 1 << 18;     // values of an image that are worked on at once, about: what the caches hold
constexpr long MANY = 128;         // and tiles, at least: enough to share out among the threads
constexpr float A = 0.75f, B = 1.5f, AA = A * A, BB = B * B;

typedef float Vector __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int Indices __attribute__((vector_size(4 * WIDTH)));

#if defined(__AVX512F__)
constexpr Indices FIRST_HALVES = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
constexpr Indices SECOND_HALVES = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
#elif defined(__AVX__)
constexpr Indices FIRST_HALVES = {0, 8, 1, 9, 2, 10, 3, 11}, SECOND_HALVES = {4, 12, 5, 13, 6, 14, 7, 15};
#else
constexpr Indices FIRST_HALVES = {0, 4, 1, 5}, SECOND_HALVES = {2, 6, 3, 7};
#endif

inline long rounded(long value, long step) { return (value + step - 1) / step * step; }
inline Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }

// Six values at the points from those of a tile.
inline void evaluate(const Vector* d, Vector* v) {
    const Vector even_b = d[4] - BB * d[2], odd_b = A * (d[3] - BB * d[1]);
    const Vector even_a = d[4] - AA * d[2], odd_a = B * (d[3] - AA * d[1]);
    v[0] = AA * BB * d[0] - (AA + BB) * d[2] + d[4];
    v[1] = even_b + odd_b;
    v[2] = even_b - odd_b;
    v[3] = even_a + odd_a;
    v[4] = even_a - odd_a;
    v[5] = AA * BB * d[1] - (AA + BB) * d[3] + d[5];
}

// Four outputs from the six products at the points.
inline void interpolate(const Vector* m, Vector* y) {
    const Vector sum_a = m[1] + m[2], sum_b = m[3] + m[4];
    const Vector difference_a = A * (m[1] - m[2]), difference_b = B * (m[3] - m[4]);
    y[0] = m[0] + sum_a + sum_b;
    y[1] = difference_a + difference_b;
    y[2] = AA * sum_a + BB * sum_b;
    y[3] = AA * difference_a + BB * difference_b + m[5];
}

// The transpose of interpolate: six from four.
inline void spread(const Vector* y, Vector* m) {
    const Vector even_a = y[0] + AA * y[2], odd_a = A * (y[1] + AA * y[3]);
    const Vector even_b = y[0] + BB * y[2], odd_b = B * (y[1] + BB * y[3]);
    m[0] = y[0];
    m[1] = even_a + odd_a;
    m[2] = even_a - odd_a;
    m[3] = even_b + odd_b;
    m[4] = even_b - odd_b;
    m[5] = y[3];
}

constexpr float AT_0 = 1 / (AA * BB), AT_A = 1 / (2 * AA * (AA - BB)), AT_B = 1 / (2 * BB * (BB - AA));

// Six values at the points from three weights.
inline void weigh(const Vector* w, Vector* u) {
    const Vector even_a = AT_A * (w[0] + AA * w[2]), odd_a = AT_A * A * w[1];
    const Vector even_b = AT_B * (w[0] + BB * w[2]), odd_b = AT_B * B * w[1];
    u[0] = AT_0 * w[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = w[2];
}

// The transpose of weigh: three from six.
inline void gather(const Vector* u, Vector* w) {
    const Vector sum_a = AT_A * (u[1] + u[2]), sum_b = AT_B * (u[3] + u[4]);
    w[0] = AT_0 * u[0] + sum_a + sum_b;
    w[1] = AT_A * A * (u[1] - u[2]) + AT_B * B * (u[3] - u[4]);
    w[2] = AA * sum_a + BB * sum_b + u[5];
}

// A one-dimensional transform along both sides of a square: IN x IN to OUT x OUT, in rows.
template <int IN, int OUT, void (*transform)(const Vector*, Vector*)>
inline void both_ways(const Vector* square, Vector* made) {
    Vector half[IN * OUT], column[IN], turned[OUT];
    for (int i = 0; i < IN; ++i) transform(square + i * IN, half + i * OUT);
    for (int j = 0; j < OUT; ++j) {
        for (int i = 0; i < IN; ++i) column[i] = half[i * OUT + j];
        transform(column, turned);
        for (int i = 0; i < OUT; ++i) made[i * OUT + j] = turned[i];
    }
}

// Memory that is kept for the next call.
class Room {
public:
    float* of(long size) {
        if (size > size_) {
            std::free(memory_);
            size_ = 0;
            memory_ = static_cast<float*>(std::aligned_alloc(64, (4 * size + 63) / 64 * 64));
            if (!memory_) std::abort();
            size_ = size;
        }
        return memory_;
    }
    ~Room() { std::free(memory_); }

private:
    float* memory_ = nullptr;
    long size_ = 0;
};

// A band of an image: (height, width, channels).
struct Band {
    const float* memory;
    long height, width, channels;
};

// A square of vectors turned: element i of vector j becomes element j of vector i.
inline void turn(Vector* square) {
    Vector mixed[WIDTH];
    for (long step = 1; step < WIDTH; step *= 2) {
        for (long i = 0; i < WIDTH / 2; ++i) {
            mixed[2 * i] = __builtin_shuffle(square[i], square[i + WIDTH / 2], FIRST_HALVES);
            mixed[2 * i + 1] = __builtin_shuffle(square[i], square[i + WIDTH / 2], SECOND_HALVES);
        }
        std::copy_n(mixed, WIDTH, square);
    }
}

// Rows [first, first + count) of an image at planes (channels, height, width), to band (count, width, channels);
// or back, where BACK. The threads share the work, and don't wait for each other.
template <bool BACK, typename Planes, typename Rows>
inline void repack(Planes* planes, long channels, long height, long width, long first, long count, Rows* band) {
#pragma omp for schedule(static) nowait
    for (long job = 0; job < count * (channels / WIDTH); ++job) {
        const long row = job / (channels / WIDTH), channel = job % (channels / WIDTH) * WIDTH, plane = height * width;
        Planes* const there = planes + channel * plane + (first + row) * width;
        Rows* const here = band + row * width * channels + channel;
        for (long next = 0; next < width && width >= WIDTH; next += WIDTH) {
            const long x = std::min(next, width - WIDTH);  // the last columns overlap those before
            Vector square[WIDTH];
            for (long i = 0; i < WIDTH; ++i) square[i] = load(BACK ? here + (x + i) * channels : there + i * plane + x);
            turn(square);
            for (long i = 0; i < WIDTH; ++i) {
                if constexpr (BACK) store(there + i * plane + x, square[i]);
                else store(here + (x + i) * channels, square[i]);
            }
        }
        for (long x = 0; x < width && width < WIDTH; ++x)
            for (long i = 0; i < WIDTH; ++i) {
                if constexpr (BACK) there[i * plane + x] = here[x * channels + i];
                else here[x * channels + i] = there[i * plane + x];
            }
    }
}

// How an output of height x width is cut into tiles, and these into bands.
struct Tiles {
    long rows, columns, band, bands;  // band: rows of tiles that are worked on at once
    Tiles(long height, long width, long channels) : rows((height + 3) / 4), columns((width + 3) / 4) {
        const long most = std::max((MANY + columns - 1) / columns, BAND / (4 * width * channels));
        band = (rows + (rows + most - 1) / most - 1) / ((rows + most - 1) / most);
        bands = (rows + band - 1) / band;
    }
};

// SIDE x SIDE pixels of the band from (top, left), zero outside of it; WIDTH channels from `channel` on.
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

// The tile at (top, left), transformed: to made[point * step + channel].
template <int SIDE, void (*transform)(const Vector*, Vector*)>
inline void tile_at_points(const Band& band, long top, long left, float* made, long step) {
    for (long channel = 0; channel < band.channels; channel += WIDTH) {
        Vector tile[SIDE * SIDE], points[POINTS];
        cut<SIDE>(band, top, left, channel, tile);
        both_ways<SIDE, 6, transform>(tile, points);
        for (long point = 0; point < POINTS; ++point) store(made + point * step + channel, points[point]);
    }
}

// made (ROWS x BLOCK) = or += left (ROWS x depth, or its transpose) times right (depth x BLOCK).
template <bool TRANSPOSED, bool ADD>
inline void multiply(const float* left, long left_step, const float* right, long right_step, long depth, float* made,
                     long made_step) {
    Vector sums[ROWS][2];
    for (long row = 0; row < ROWS; ++row)
        for (long half = 0; half < 2; ++half)
            sums[row][half] = ADD ? load(made + row * made_step + half * WIDTH) : Vector{};
    for (long k = 0; k < depth; ++k) {
        const Vector first = load(right + k * right_step), second = load(right + k * right_step + WIDTH);
#pragma GCC unroll 8
        for (long row = 0; row < ROWS; ++row) {
            const float factor = TRANSPOSED ? left[k * left_step + row] : left[row * left_step + k];
            sums[row][0] += factor * first;
            sums[row][1] += factor * second;
        }
    }
    for (long row = 0; row < ROWS; ++row)
        for (long half = 0; half < 2; ++half) store(made + row * made_step + half * WIDTH, sums[row][half]);
}

// Where weight (output, input, r, s) lies, or that of the convolution which leads gradients back.
inline float weight_at(const float* weights, long outputs, long inputs, long output, long input, long tap, bool back) {
    return back ? weights[(input * outputs + output) * 9 + 8 - tap] : weights[(output * inputs + input) * 9 + tap];
}

}  // namespace

extern "C" {

// y, of (height + 2 padding - 2) x (width + 2 padding - 2) pixels, = x * w + bias. Where `back`, w is
// (inputs, outputs, 3, 3), and is turned around. bias may be null.
void convolve(const float* x, const float* w, const float* bias, float* y, long batch, long height, long width,
              long inputs, long outputs, long padding, int last, int back, int threads) {
    const long high = height + 2 * padding - 2, wide = width + 2 * padding - 2, filters = rounded(outputs, BLOCK);
    const Tiles tiles(high, wide, std::max(inputs, outputs));
    static thread_local Room room;
    float* const at_points = room.of(POINTS * inputs * filters + (4 * tiles.band + 2) * width * inputs +
                                     4 * tiles.band * wide * outputs);  // (filters / BLOCK, 36, inputs, BLOCK)
    float* const given = at_points + POINTS * inputs * filters;
    float* const result = given + (4 * tiles.band + 2) * width * inputs;
    const long most = std::max(ROWS, 4096 / inputs / ROWS * ROWS);  // tiles at once: what a core's cache holds
    const long share = (tiles.band * tiles.columns + threads - 1) / threads, parts = (share + most - 1) / most;
    const long together = rounded((share + parts - 1) / parts, ROWS);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static) nowait
        for (long job = 0; job < inputs * (filters / WIDTH); ++job) {
            const long input = job / (filters / WIDTH), output = job % (filters / WIDTH) * WIDTH;
            Vector taps[9] = {}, points[POINTS];
            for (long tap = 0; tap < 9 && output < outputs; ++tap)
                for (long lane = 0; lane < WIDTH; ++lane)
                    taps[tap][lane] = weight_at(w, outputs, inputs, output + lane, input, tap, back);
            both_ways<3, 6, weigh>(taps, points);
            for (long point = 0; point < POINTS; ++point)
                store(at_points + ((output / BLOCK * POINTS + point) * inputs + input) * BLOCK + output % BLOCK,
                      points[point]);
        }
        static thread_local Room own;
        float* const values = own.of(POINTS * together * (inputs + BLOCK));  // (36, together, inputs)
        float* const products = values + POINTS * together * inputs;         // (36, together, BLOCK)
        for (long part = 0; part < batch * tiles.bands; ++part) {
            const long row = part % tiles.bands * tiles.band, image = part / tiles.bands;
            const long rows = std::min(tiles.band, tiles.rows - row), first = std::max(0L, 4 * row - padding);
            const float* const source = x + image * inputs * height * width;
            float* const target = y + image * outputs * high * wide;
            const Band band{last ? source + first * width * inputs : given,
                            std::min(height, 4 * (row + rows) + 2 - padding) - first, width, inputs};
            if (!last) repack<false>(source, inputs, height, width, first, band.height, given);
            float* const made_here = last ? target + 4 * row * wide * outputs : result;
            const long most_rows = std::min(4 * rows, high - 4 * row);
#pragma omp barrier
#pragma omp for schedule(static)
            for (long start = 0; start < rows * tiles.columns; start += together) {
                const long count = std::min(together, rows * tiles.columns - start);
                for (long one = 0; one < count; ++one) {
                    const long top = (row + (start + one) / tiles.columns) * 4, left = (start + one) % tiles.columns * 4;
                    tile_at_points<6, evaluate>(band, top - padding - first, left - padding, values + one * inputs,
                                                together * inputs);
                }
                for (long block = 0; block < outputs; block += BLOCK) {
                    for (long point = 0; point < POINTS; ++point)
                        for (long some = 0; some < count; some += ROWS)
                            multiply<false, false>(values + (point * together + some) * inputs, inputs,
                                                   at_points + (block / BLOCK * POINTS + point) * inputs * BLOCK, BLOCK,
                                                   inputs, products + (point * together + some) * BLOCK, BLOCK);
                    for (long one = 0; one < count; ++one) {
                        const long top = (start + one) / tiles.columns * 4, left = (start + one) % tiles.columns * 4;
                        for (long half = 0; half < BLOCK && block + half < outputs; half += WIDTH) {
                            Vector points[POINTS], made[16];
                            for (long point = 0; point < POINTS; ++point)
                                points[point] = load(products + (point * together + one) * BLOCK + half);
                            both_ways<6, 4, interpolate>(points, made);
                            const Vector offset = bias ? load(bias + block + half) : Vector{};
                            for (long i = 0; i < std::min(4L, most_rows - top); ++i)
                                for (long j = 0; j < std::min(4L, wide - left); ++j)
                                    store(made_here + ((top + i) * wide + left + j) * outputs + block + half,
                                          made[i * 4 + j] + offset);
                        }
                    }
                }
            }
            if (!last) repack<true>(target, outputs, high, wide, 4 * row, most_rows, result);
        }
    }
}

// gradient (outputs, inputs, 3, 3): of <g, x * w> by w, g having (height + 2 padding - 2) x .. pixels.
void weight_gradient(const float* x, const float* g, float* gradient, long batch, long height, long width, long inputs,
                     long outputs, long padding, int last, int threads) {
    const long high = height + 2 * padding - 2, wide = width + 2 * padding - 2, filters = rounded(outputs, BLOCK);
    const Tiles tiles(high, wide, std::max(inputs, outputs));
    const long together = std::max(64L, 16384 / (inputs + filters));  // tiles
    static thread_local Room room;
    float* const values = room.of(POINTS * (together * (inputs + filters) + inputs * filters) +
                                  (4 * tiles.band + 2) * width * inputs + 4 * tiles.band * wide * outputs);
    float* const spreads = values + POINTS * together * inputs;
    float* const sums = spreads + POINTS * together * filters;  // (36, inputs, filters)
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
            if (!last) repack<false>(image_x, inputs, height, width, first, from.height, given);
            if (!last) repack<false>(image_g, outputs, high, wide, 4 * row, to.height, made);
#pragma omp barrier
            for (long start = 0; start < rows * tiles.columns; start += together) {
                const long count = std::min(together, rows * tiles.columns - start);
#pragma omp for schedule(static)
                for (long one = 0; one < count; ++one) {
                    const long top = (start + one) / tiles.columns * 4, left = (start + one) % tiles.columns * 4;
                    tile_at_points<6, evaluate>(from, 4 * row + top - padding - first, left - padding,
                                                values + one * inputs, together * inputs);
                    tile_at_points<4, spread>(to, top, left, spreads + one * filters, together * filters);
                }
#pragma omp for schedule(static)
                for (long point = 0; point < POINTS; ++point)
                    for (long block = 0; block < outputs; block += BLOCK)
                        for (long some = 0; some < inputs; some += ROWS)
                            multiply<true, true>(values + point * together * inputs + some, inputs,
                                                 spreads + point * together * filters + block, filters, count,
                                                 sums + (point * inputs + some) * filters + block, filters);
            }
        }
#pragma omp for schedule(static)
        for (long input = 0; input < inputs; ++input)
            for (long output = 0; output < outputs; output += WIDTH) {
                Vector points[POINTS], taps[9];
                for (long point = 0; point < POINTS; ++point)
                    points[point] = load(sums + (point * inputs + input) * filters + output);
                both_ways<6, 3, gather>(points, taps);
                for (long lane = 0; lane < WIDTH; ++lane)
                    for (long tap = 0; tap < 9; ++tap)
                        gradient[((output + lane) * inputs + input) * 9 + tap] = taps[tap][lane];
            }
    }
}
}
