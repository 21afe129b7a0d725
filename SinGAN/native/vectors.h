// CPU vectors, products of small matrices of them, and buffers: see winograd.cpp.

#pragma once

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
constexpr long BLOCK = 2 * WIDTH;  // filters that are multiplied together
constexpr long BAND = 1 << 18;     // values of an image that are processed together, about: they fit into the caches

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

// Transpose a square of vectors: element i of vector j becomes element j of vector i.
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

// A row of an image whose channels lie `plane` apart, to row (width, channels); or back, where BACK.
template <bool BACK, typename Planes, typename Row>
inline void repack_row(Planes* planes, long plane, long channels, long width, Row* row) {
    for (long channel = 0; channel < channels; channel += WIDTH) {
        Planes* const there = planes + channel * plane;
        Row* const here = row + channel;
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

// made (ROWS x BLOCK) = or += left (ROWS x depth, or its transpose) times right (depth x BLOCK).
template <bool TRANSPOSED, bool ADD>
inline void multiply(const float* left, long left_step, const float* right, long right_step, long depth, float* made,
                     long made_step) {
    Vector sums[ROWS][2];
    for (long row = 0; ADD && row < ROWS; ++row)  // what is added to next, most likely
        __builtin_prefetch(made + (row + 2 * ROWS) * made_step, 1);
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

}  // namespace
