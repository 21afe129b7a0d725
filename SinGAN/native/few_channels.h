// 3 x 3 convolutions from or to a thin image, with a few channels (colours, scores), as products of matrices.
//
// Pixel (y, x) of the wide image sees pixels (y + dy - border, x + dx - border) of the thin one, dy and dx from 0 to 2.
// These are a row of 9 x channels values, in which channels change fastest, then dx.

#pragma once

#include "vectors.h"

namespace {

// The two images of a convolution, which are processed in strips of rows.
struct Thin {
    long height, width, channels;           // of the thin image
    long border;                            // zeros around it
    long wide_height, wide_width, filters;  // of the wide image; filters are a multiple of 16
    long values, row, columns;              // that a pixel sees; with zeros at the end, as rows or columns of a matrix
    long blocks;                            // of filters
    long strip;                             // rows of a strip, of the image with `rows` rows that is made or looked at

    Thin(long height, long width, long channels, long border, long filters, long rows)
        : height(height), width(width), channels(channels), border(border), wide_height(height + 2 * border - 2),
          wide_width(width + 2 * border - 2), filters(filters), values(9 * channels), row(rounded(values, ROWS)),
          columns(rounded(values, BLOCK)), blocks(rounded(filters, BLOCK) / BLOCK),
          strip(std::max(8L, std::min((rows + 7) / 8, BAND / (wide_width * filters)))) {}
};

// Weight (output, input) at a tap, of (outputs, inputs, 3, 3); turned, of (inputs, outputs, 3, 3) from its last tap on.
inline float weight_at(const float* w, long output, long outputs, long input, long inputs, long tap, bool turned) {
    return turned ? w[(input * outputs + output) * 9 + 8 - tap] : w[(output * inputs + input) * 9 + tap];
}

// The thin image's values that rows [top, bottom) of the wide one see, with their border: to made (bottom - top + 2,
// width + 2 border, channels).
inline void surround(const Thin& thin, const float* image, bool last, long top, long bottom, float* made) {
    const long wide = thin.width + 2 * thin.border, plane = last ? 1 : thin.height * thin.width;
    const long pixel = last ? thin.channels : 1;
    std::fill_n(made, (bottom - top + 2) * wide * thin.channels, 0.0f);
    const long end = std::min(thin.height, bottom + 2 - thin.border);
    for (long y = std::max(0L, top - thin.border); y < end; ++y) {
        float* to = made + ((y - top + thin.border) * wide + thin.border) * thin.channels;
        const float* from = image + y * thin.width * pixel;
        for (long x = 0; x < thin.width; ++x, from += pixel)
            for (long channel = 0; channel < thin.channels; ++channel) *to++ = from[channel * plane];
    }
}

// The values that `count` pixels see, from pixel `first` of the rows of `surround`: to made (count, row).
inline void look(const Thin& thin, const float* around, long first, long count, float* made) {
    const long wide = (thin.width + 2 * thin.border) * thin.channels;
    for (long pixel = first; pixel < first + count; ++pixel, made += thin.row) {
        const float* from = around + pixel / thin.wide_width * wide + pixel % thin.wide_width * thin.channels;
        for (long dy = 0; dy < 3; ++dy)
            std::copy_n(from + dy * wide, 3 * thin.channels, made + dy * 3 * thin.channels);
        std::fill_n(made + thin.values, thin.row - thin.values, 0.0f);
    }
}

// The wide image from the thin one.
void widen(const Thin& thin, const float* image, const float* w, const float* bias, float* made, long batch, bool last,
           bool turned, long threads) {
    static thread_local Room shared;
    float* const weights = shared.of(thin.blocks * thin.row * BLOCK);  // (blocks, row, BLOCK)
    std::fill_n(weights, thin.blocks * thin.row * BLOCK, 0.0f);
    for (long filter = 0; filter < thin.filters; ++filter)
        for (long value = 0; value < thin.values; ++value)
            weights[(filter / BLOCK * thin.row + value) * BLOCK + filter % BLOCK] = weight_at(
                w, filter, thin.filters, value % thin.channels, thin.channels, value / thin.channels, turned);
    const long strips = (thin.wide_height + thin.strip - 1) / thin.strip;
#pragma omp parallel num_threads(threads)
    {
        static thread_local Room own;
        const long border = (thin.strip + 2) * (thin.width + 2 * thin.border) * thin.channels;
        float* const around = own.of(border + ROWS * (thin.row + BLOCK) + thin.strip * thin.wide_width * thin.filters);
        float* const seen = around + border;
        float* const products = seen + ROWS * thin.row;
        float* const strip = products + ROWS * BLOCK;
#pragma omp for schedule(dynamic)
        for (long job = 0; job < batch * strips; ++job) {
            const long top = job % strips * thin.strip, bottom = std::min(thin.wide_height, top + thin.strip);
            float* const target = made + job / strips * thin.wide_height * thin.wide_width * thin.filters;
            float* const result = last ? target + top * thin.wide_width * thin.filters : strip;
            surround(thin, image + job / strips * thin.height * thin.width * thin.channels, last, top, bottom, around);
            const long pixels = (bottom - top) * thin.wide_width;
            for (long pixel = 0; pixel < pixels; pixel += ROWS) {
                const long count = std::min(ROWS, pixels - pixel);
                look(thin, around, pixel, count, seen);
                for (long filter = 0; filter < thin.filters; filter += BLOCK) {
                    multiply<false, false>(seen, thin.row, weights + filter * thin.row, BLOCK, thin.values, products,
                                           BLOCK);
                    for (long one = 0; one < count; ++one)
                        for (long half = filter; half < std::min(filter + BLOCK, thin.filters); half += WIDTH)
                            store(result + (pixel + one) * thin.filters + half,
                                  load(products + one * BLOCK + half - filter) + (bias ? load(bias + half) : Vector{}));
                }
            }
            for (long y = top; y < bottom && !last; ++y)
                repack_row<true>(target + y * thin.wide_width, thin.wide_height * thin.wide_width, thin.filters,
                                 thin.wide_width, strip + (y - top) * thin.wide_width * thin.filters);
        }
    }
}

// The thin image from the wide one.
void narrow(const Thin& thin, const float* image, const float* w, const float* bias, float* made, long batch, bool last,
            bool turned, long threads) {
    static thread_local Room shared;
    float* const weights = shared.of(thin.filters * thin.columns);  // (filters, columns)
    std::fill_n(weights, thin.filters * thin.columns, 0.0f);
    for (long filter = 0; filter < thin.filters; ++filter)
        for (long value = 0; value < thin.values; ++value)
            weights[filter * thin.columns + value] = weight_at(w, value % thin.channels, thin.channels, filter,
                                                                thin.filters, 8 - value / thin.channels, turned);
    const long strips = (thin.height + thin.strip - 1) / thin.strip;
#pragma omp parallel num_threads(threads)
    {
        static thread_local Room own;
        const long most = rounded((thin.strip + 2) * thin.wide_width, ROWS);
        float* const products = own.of(most * (thin.columns + thin.filters));  // (pixels, columns)
        float* const strip = products + most * thin.columns;                   // (pixels, filters)
#pragma omp for schedule(dynamic)
        for (long job = 0; job < batch * strips; ++job) {
            const long top = job % strips * thin.strip, bottom = std::min(thin.height, top + thin.strip);
            const long first = std::max(0L, top + thin.border - 2);
            const long end = std::min(thin.wide_height, bottom + thin.border), pixels = (end - first) * thin.wide_width;
            const float* const source = image + job / strips * thin.wide_height * thin.wide_width * thin.filters;
            float* const target = made + job / strips * thin.height * thin.width * thin.channels;
            const float* given = source + first * thin.wide_width * thin.filters;
            for (long y = first; y < end && !last; ++y)
                repack_row<false>(source + y * thin.wide_width, thin.wide_height * thin.wide_width, thin.filters,
                                  thin.wide_width, strip + (y - first) * thin.wide_width * thin.filters);
            if (last && pixels < ROWS) std::copy_n(given, pixels * thin.filters, strip);
            if (!last || pixels < ROWS) given = strip;
            for (long next = 0; next < pixels; next += ROWS) {
                const long pixel = std::max(0L, std::min(next, pixels - ROWS));  // the last overlap those before
                for (long value = 0; value < thin.columns; value += BLOCK)
                    multiply<false, false>(given + pixel * thin.filters, thin.filters, weights + value, thin.columns,
                                           thin.filters, products + pixel * thin.columns + value, thin.columns);
            }
            const long plane = last ? 1 : thin.height * thin.width, step = last ? thin.channels : 1;
            for (long y = top; y < bottom; ++y)
                for (long x = 0; x < thin.width; ++x)
                    for (long channel = 0; channel < thin.channels; ++channel) {
                        const long below = y + thin.border, right = x + thin.border;  // of what the first tap reads
                        float sum = bias ? bias[channel] : 0.0f;
                        const long end_y = std::min(3L, below + 1), end_x = std::min(3L, right + 1);
                        for (long dy = std::max(0L, below + 1 - thin.wide_height); dy < end_y; ++dy)
                            for (long dx = std::max(0L, right + 1 - thin.wide_width); dx < end_x; ++dx)
                                sum += products[((below - dy - first) * thin.wide_width + right - dx) * thin.columns +
                                                (dy * 3 + dx) * thin.channels + channel];
                        target[(y * thin.width + x) * step + channel * plane] = sum;
                    }
        }
    }
}

// Of <wide image, widened thin image> the gradient by the weight: (filters, channels, 3, 3), or where `turned`
// (channels, filters, 3, 3) from its last tap on.
void gradient_of_thin(const Thin& thin, const float* image, const float* wide, float* gradient, long batch, bool last,
                      bool turned, long threads) {
    static thread_local Room room;
    const long most = thin.strip * thin.wide_width, border = (thin.strip + 2) * (thin.width + 2 * thin.border);
    const long strips = (thin.wide_height + thin.strip - 1) / thin.strip, filters = thin.blocks * BLOCK;
    const long each = most * (thin.row + filters) + border * thin.channels;
    const long together = std::max(1L, std::min(strips, 4 * BAND / each));  // strips
    float* const seen = room.of(together * each + thin.row * filters);      // (together, pixels, row)
    float* const given = seen + together * most * thin.row;                 // (together, pixels, filters)
    float* const around = given + together * most * filters;
    float* const sums = around + together * border * thin.channels;  // (row, filters)
    const bool direct = last && filters == thin.filters;             // else memory behind the image would be read
    std::fill_n(sums, thin.row * filters, 0.0f);
#pragma omp parallel num_threads(threads)
    for (long part = 0; part < batch * strips; part += together) {
        const long end = std::min(batch * strips, part + together);
#pragma omp for schedule(dynamic)
        for (long job = part; job < end; ++job) {
            const long top = job % strips * thin.strip, bottom = std::min(thin.wide_height, top + thin.strip);
            const float* const source = wide + job / strips * thin.wide_height * thin.wide_width * thin.filters;
            float* const own = around + (job - part) * border * thin.channels;
            float* const made = seen + (job - part) * most * thin.row;
            surround(thin, image + job / strips * thin.height * thin.width * thin.channels, last, top, bottom, own);
            look(thin, own, 0, (bottom - top) * thin.wide_width, made);
            for (long y = top; y < bottom && !direct; ++y) {
                float* const to = given + ((job - part) * most + (y - top) * thin.wide_width) * thin.filters;
                if (last) std::copy_n(source + y * thin.wide_width * thin.filters, thin.wide_width * thin.filters, to);
                else repack_row<false>(source + y * thin.wide_width, thin.wide_height * thin.wide_width, thin.filters,
                                       thin.wide_width, to);
            }
        }
#pragma omp for schedule(static)
        for (long job = 0; job < thin.row / ROWS * thin.blocks; ++job) {
            const long value = job / thin.blocks * ROWS, filter = job % thin.blocks * BLOCK;
            for (long one = part; one < end && value < thin.values; ++one) {
                const long top = one % strips * thin.strip, bottom = std::min(thin.wide_height, top + thin.strip);
                const float* const right =
                    direct ? wide + (one / strips * thin.wide_height + top) * thin.wide_width * thin.filters
                           : given + (one - part) * most * thin.filters;
                multiply<true, true>(seen + (one - part) * most * thin.row + value, thin.row, right + filter,
                                     thin.filters, (bottom - top) * thin.wide_width,
                                     sums + value * filters + filter, filters);
            }
        }
    }
    for (long filter = 0; filter < thin.filters; ++filter)
        for (long value = 0; value < thin.values; ++value) {
            const long channel = value % thin.channels, tap = value / thin.channels;
            const long to = turned ? (channel * thin.filters + filter) * 9 + 8 - tap
                                   : (filter * thin.channels + channel) * 9 + tap;
            gradient[to] = sums[value * filters + filter];
        }
}

}  // namespace
