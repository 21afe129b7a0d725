// Winograd's transforms and tiles: see winograd.cpp.
//
// Polynomials are evaluated at 0, +-a, +-b and infinity; a and b are chosen for small rounding errors.

#pragma once

#include "vectors.h"

namespace {

constexpr long POINTS = 36;
constexpr long MANY = 128;         // tiles at least, so that all threads have work
constexpr float A = 0.75f, B = 1.5f, AA = A * A, BB = B * B;

// Distance of the values of two points of `tiles` tiles; no power of two, whose multiples collide in a cache.
inline long step_of(long tiles, long channels) { return tiles * channels + WIDTH; }

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

// The tiles of an output of height x width, and their bands.
struct Tiles {
    long rows, columns, band, bands;  // band: rows of tiles that are processed together
    Tiles(long height, long width, long channels) : rows((height + 3) / 4), columns((width + 3) / 4) {
        const long most = std::max((MANY + columns - 1) / columns, BAND / (4 * width * channels));
        band = (rows + (rows + most - 1) / most - 1) / ((rows + most - 1) / most);
        bands = (rows + band - 1) / band;
    }
};

}  // namespace
