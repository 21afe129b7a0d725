// Nearest-neighbour fields of 7 x 7 patches of 8-bit pictures: the loops behind SinGAN/patches/search.py, where each
// function and its arguments are described. SinGAN/patches/plain.py computes the same bits in NumPy.
//
// A picture has 4 bytes a pixel. A field holds a number for each patch of a target,
// row << 16 | column of its match among the patches of another picture, or -1. Squared distances are integers, and a
// score is a distance, or its product or sum with the match's weight: no result depends on the number of threads or on
// the vector instructions. Of equal scores the match with the smaller number wins.

#include <algorithm>
#include <atomic>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace {

constexpr int P = 7;            // the width of a patch, in pixels
constexpr int BYTES = 4 * P;    // of a patch's row
constexpr int TILE = 64;        // patches on each side of what one thread searches at a time
constexpr int BAND = 32;        // rows of pixels that one thread votes for at a time

typedef uint8_t Byte;

struct Picture {
    const Byte* pixels;
    int height, width;
    const Byte* at(int row, int column) const { return pixels + (size_t(row) * width + column) * 4; }
    size_t stride() const { return size_t(width) * 4; }
    int rows() const { return height - P + 1; }  // of patches
    int columns() const { return width - P + 1; }
};

// Call work(0) .. work(count - 1), each once, on so many threads.
template <class Work>
void in_parallel(int count, int threads, Work work) {
    std::atomic<int> next{0};
    auto run = [&] {
        for (int index; (index = next.fetch_add(1)) < count;) work(index);
    };
    std::vector<std::thread> others;
    for (int other = 1; other < std::min(threads, count); ++other) others.emplace_back(run);
    run();
    for (auto& other : others) other.join();
}

uint64_t splitmix(uint64_t z) {  // Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// Squared distances of rows of patches, added up in a sum.
#ifdef __AVX2__
inline __m256i row_of(const Byte* pixels) {  // seven pixels and zeros; nothing behind them is read
    return _mm256_maskload_epi32(reinterpret_cast<const int*>(pixels), _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, -1, 0));
}

struct Sum {
    __m256i lanes = _mm256_setzero_si256();
    void add(const Byte* a, const Byte* b) {
        const __m256i x = row_of(a), y = row_of(b), zero = _mm256_setzero_si256();
        const __m256i gap = _mm256_or_si256(_mm256_subs_epu8(x, y), _mm256_subs_epu8(y, x));
        const __m256i low = _mm256_unpacklo_epi8(gap, zero), high = _mm256_unpackhi_epi8(gap, zero);
        const __m256i squares = _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high));
        lanes = _mm256_add_epi32(lanes, squares);
    }
    int total() const {
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
        return _mm_cvtsi128_si32(half);
    }
};
#else
struct Sum {
    int sum = 0;
    void add(const Byte* a, const Byte* b) {
        for (int i = 0; i < BYTES; ++i) {
            const int gap = a[i] - b[i];
            sum += gap * gap;
        }
    }
    int total() const { return sum; }
};
#endif

enum Kind { PLAIN, TIMES, PLUS };  // how weights enter a score

template <Kind KIND>
inline float combined(int distance, float weight) {
    return KIND == TIMES ? float(distance) * weight : KIND == PLUS ? float(distance) + weight : float(distance);
}

// The score of two patches, and of those of their guides, which have the same strides, if they are compared, too;
// anything above `best` where it is more than that.
template <Kind KIND, bool GUIDED>
__attribute__((always_inline)) inline float score(const Byte* a, size_t stride_a, const Byte* b, size_t stride_b, const Byte* guide_a,
                   const Byte* guide_b, float weight, float best) {
    Sum sum;
    int distance = 0;
    auto is_more = [&](std::initializer_list<int> rows) {
        for (int row : rows) {
            sum.add(a + row * stride_a, b + row * stride_b);
            if (GUIDED) sum.add(guide_a + row * stride_a, guide_b + row * stride_b);
        }
        distance = sum.total();
        return combined<KIND>(distance, weight) > best;
    };
    if (!is_more({3}) && !is_more({0, 6})) is_more({1, 2, 4, 5});
    return combined<KIND>(distance, weight);
}

}  // namespace

extern "C" {

struct Search {
    const Byte* target;
    int target_height, target_width;
    const Byte* keys;
    int keys_height, keys_width;
    const Byte* valid;     // for each key, 0: never a match; may be null
    const float* weights;  // for each key; may be null
    const Byte* active;    // for each patch of the target, 0: its match stays; may be null
    int adds;              // whether weights are added to distances, not multiplied
    int threads;
    const Byte* target_guide;  // a picture of the target's size whose patches are compared, too; may be null
    const Byte* keys_guide;    // the same for the keys
};
}

namespace {

// The best match of one patch so far.
template <Kind KIND, bool GUIDED>
struct Best {
    const Search& search;
    const Picture target, keys, target_guide, keys_guide;
    const Byte *patch, *guide;
    int32_t match;
    float least;

    Best(const Search& s, int row, int column, int32_t match, float least)
        : search(s), target{s.target, s.target_height, s.target_width}, keys{s.keys, s.keys_height, s.keys_width},
          target_guide{s.target_guide, s.target_height, s.target_width},
          keys_guide{s.keys_guide, s.keys_height, s.keys_width}, patch(target.at(row, column)),
          guide(GUIDED ? target_guide.at(row, column) : nullptr), match(match), least(least) {}

    void try_match(int row, int column) {
        const int32_t candidate = row << 16 | column;
        const size_t key = size_t(row) * keys.columns() + column;
        if (candidate == match || (search.valid && !search.valid[key])) return;
        const float weight = KIND != PLAIN ? search.weights[key] : 1;
        const float found = score<KIND, GUIDED>(patch, target.stride(), keys.at(row, column), keys.stride(), guide,
                                                GUIDED ? keys_guide.at(row, column) : nullptr, weight, least);
        if (found < least || (found == least && candidate < match)) least = found, match = candidate;
    }
};

template <Kind KIND, bool GUIDED>
void measure(const Search& s, const int32_t* field, float* scores) {
    const Picture target{s.target, s.target_height, s.target_width}, keys{s.keys, s.keys_height, s.keys_width};
    in_parallel(target.rows(), s.threads, [&](int row) {
        for (int column = 0; column < target.columns(); ++column) {
            const size_t index = size_t(row) * target.columns() + column;
            if (s.active && !s.active[index]) continue;
            const int y = field[index] >> 16, x = field[index] & 0xffff;
            const float weight = KIND != PLAIN ? s.weights[size_t(y) * keys.columns() + x] : 1;
            const Byte *guide = nullptr, *keys_guide = nullptr;
            if (GUIDED) {
                guide = s.target_guide + (size_t(row) * target.width + column) * 4;
                keys_guide = s.keys_guide + (size_t(y) * keys.width + x) * 4;
            }
            scores[index] = score<KIND, GUIDED>(target.at(row, column), target.stride(), keys.at(y, x), keys.stride(),
                                                guide, keys_guide, weight, INFINITY);
        }
    });
}

template <Kind KIND, bool GUIDED>
void try_all(const Search& s, int32_t* field, float* scores) {
    const Picture target{s.target, s.target_height, s.target_width}, keys{s.keys, s.keys_height, s.keys_width};
    const size_t stride = target.stride(), keys_stride = keys.stride();
    in_parallel(target.rows(), s.threads, [&](int row) {
        for (int column = 0; column < target.columns(); ++column) {
            const size_t index = size_t(row) * target.columns() + column;
            if (s.active && !s.active[index]) continue;
            const Byte* patch = target.at(row, column);
            const Byte* guide = GUIDED ? s.target_guide + (size_t(row) * target.width + column) * 4 : nullptr;
            int32_t match = field[index];
            float least = scores[index];
            for (int y = 0; y < keys.rows(); ++y) {
                const Byte *key = keys.at(y, 0), *valid = s.valid ? s.valid + size_t(y) * keys.columns() : nullptr;
                const float* weights = KIND != PLAIN ? s.weights + size_t(y) * keys.columns() : nullptr;
                for (int x = 0; x < keys.columns(); ++x, key += 4) {
                    const float weight = KIND != PLAIN ? weights[x] : 1;
                    const Byte* keys_guide = GUIDED ? s.keys_guide + (key - s.keys) : nullptr;
                    const float found =
                        score<KIND, GUIDED>(patch, stride, key, keys_stride, guide, keys_guide, weight, least);
                    if (found > least || (valid && !valid[x])) continue;
                    const int32_t candidate = y << 16 | x;
                    if (found < least || candidate < match) least = found, match = candidate;
                }
            }
            field[index] = match, scores[index] = least;
        }
    });
}

template <Kind KIND, bool GUIDED>
void search_pass(const Search& s, int32_t* field, float* scores, uint64_t seed, int pass, int radius, int samples) {
    const Picture target{s.target, s.target_height, s.target_width}, keys{s.keys, s.keys_height, s.keys_width};
    const int rows = target.rows(), columns = target.columns();
    const bool backwards = pass & 1;
    const int shift = backwards ? TILE / 2 : 0, step = backwards ? -1 : 1;
    const int down = (rows + shift + TILE - 1) / TILE, across = (columns + shift + TILE - 1) / TILE;

    // 1. Tiles run in any order, so what a tile reads from its neighbours is copied first: the row before each row of
    //    tiles and the column before each column of tiles, as they were.
    std::vector<int32_t> row_before(size_t(down) * columns), column_before(size_t(across) * rows);
    auto first_of = [&](int tile, int end) {  // the first row or column of a tile, in the order of the pass
        const int begin = std::max(0, tile * TILE - shift), stop = std::min(end, (tile + 1) * TILE - shift);
        return backwards ? stop - 1 : begin;
    };
    for (int tile = 0; tile < down; ++tile) {
        const int row = first_of(tile, rows) - step;
        if (row >= 0 && row < rows)
            std::memcpy(&row_before[size_t(tile) * columns], field + size_t(row) * columns, size_t(columns) * 4);
    }
    for (int tile = 0; tile < across; ++tile) {
        const int column = first_of(tile, columns) - step;
        if (column >= 0 && column < columns)
            for (int row = 0; row < rows; ++row)
                column_before[size_t(tile) * rows + row] = field[size_t(row) * columns + column];
    }

    in_parallel(down * across, s.threads, [&](int tile) {
        const int tile_row = tile / across, tile_column = tile % across;
        const int top = std::max(0, tile_row * TILE - shift), bottom = std::min(rows, (tile_row + 1) * TILE - shift);
        const int left = std::max(0, tile_column * TILE - shift);
        const int right = std::min(columns, (tile_column + 1) * TILE - shift);
        for (int i = top; i < bottom; ++i)
            for (int j = left; j < right; ++j) {
                const int row = backwards ? top + bottom - 1 - i : i, column = backwards ? left + right - 1 - j : j;
                const size_t index = size_t(row) * columns + column;
                if (s.active && !s.active[index]) continue;
                Best<KIND, GUIDED> best(s, row, column, field[index], scores[index]);

                // 2. Propagation: the matches of the patch above and the patch beside, moved along.
                auto propagate = [&](int32_t match, int dy, int dx) {
                    if (match < 0) return;
                    const int y = (match >> 16) + dy, x = (match & 0xffff) + dx;
                    if (y >= 0 && x >= 0 && y < keys.rows() && x < keys.columns()) best.try_match(y, x);
                };
                const int above = row - step, beside = column - step;
                if (above >= 0 && above < rows)
                    propagate(above >= top && above < bottom ? field[size_t(above) * columns + column]
                                                             : row_before[size_t(tile_row) * columns + column],
                              step, 0);
                if (beside >= 0 && beside < columns)
                    propagate(beside >= left && beside < right ? field[size_t(row) * columns + beside]
                                                               : column_before[size_t(tile_column) * rows + row],
                              0, step);

                // 3. Random search: in windows round the best match, each half as large as the one before.
                const uint64_t start = splitmix(seed ^ (uint64_t(pass) << 40) ^ uint64_t(index));
                for (int draw = 0; draw < samples && radius >> draw >= 1 && best.least > 0; ++draw) {
                    const uint64_t number = splitmix(start + draw);
                    const int reach = radius >> draw, y = best.match >> 16, x = best.match & 0xffff;
                    const int low_y = std::max(0, y - reach), high_y = std::min(keys.rows() - 1, y + reach);
                    const int low_x = std::max(0, x - reach), high_x = std::min(keys.columns() - 1, x + reach);
                    best.try_match(low_y + int(((number >> 32) * uint64_t(high_y - low_y + 1)) >> 32),
                                   low_x + int(((number & 0xffffffffu) * uint64_t(high_x - low_x + 1)) >> 32));
                }
                field[index] = best.match, scores[index] = best.least;
            }
    });
}

// Call use(pixel, numbers, weights, count) for each pixel of a picture that patches vote for: the numbers,
// row << 16 | column, of the pixels that its patches' matches have in its place, and the weights of these patches, in
// the order of a patch's pixels. Where nothing votes, because it is not `made`, count is 0.
template <class Use>
void for_each_vote(const int32_t* field, int height, int width, const uint16_t* weights, const Byte* made, int threads,
                   Use use) {
    const int rows = height - P + 1, columns = width - P + 1;
    in_parallel(height, threads, [&](int row) {
        int32_t numbers[P * P];
        int found[P * P];
        for (int column = 0; column < width; ++column) {
            const size_t pixel = size_t(row) * width + column;
            int count = 0;
            if (!made || made[pixel])
                for (int y = std::max(0, row - rows + 1); y <= std::min(P - 1, row); ++y)
                    for (int x = std::max(0, column - columns + 1); x <= std::min(P - 1, column); ++x) {
                        const int32_t match = field[size_t(row - y) * columns + column - x];
                        if (match < 0) continue;
                        numbers[count] = match + (y << 16 | x);
                        found[count++] = weights[y * P + x];
                    }
            use(pixel, numbers, found, count);
        }
    });
}

// The function for a search `s` with or without weights and guides.
#define FOR_GUIDE(function, guided) \
    (!s->weights ? function<PLAIN, guided> : s->adds ? function<PLUS, guided> : function<TIMES, guided>)
#define FOR_KIND(function) (s->target_guide ? FOR_GUIDE(function, true) : FOR_GUIDE(function, false))

// Mark the patches (height - 6) x (width - 6) that hold a pixel for which marked(row, column) is true.
template <class Marked>
long mark_patches(int height, int width, const Byte* within, Byte* patches, int threads, Marked marked) {
    const int rows = height - P + 1, columns = width - P + 1;
    std::vector<Byte> in_row(size_t(height) * columns);
    in_parallel(height, threads, [&](int row) {
        int last = -1;  // the last column that was marked
        for (int column = 0; column < width; ++column) {
            if (marked(row, column)) last = column;
            if (column >= P - 1) in_row[size_t(row) * columns + column - P + 1] = last >= 0 && last > column - P;
        }
    });
    std::atomic<long> count{0};
    in_parallel(rows, threads, [&](int row) {
        long here = 0;
        for (int column = 0; column < columns; ++column) {
            const size_t index = size_t(row) * columns + column;
            Byte any = 0;
            for (int below = 0; below < P; ++below) any |= in_row[size_t(row + below) * columns + column];
            patches[index] = any && (!within || within[index]);
            here += patches[index];
        }
        count += here;
    });
    return count;
}

}  // namespace

extern "C" {

void measure_field(const Search* s, const int32_t* field, float* scores) {
    FOR_KIND(measure)(*s, field, scores);
}

void search_all(const Search* s, int32_t* field, float* scores) { FOR_KIND(try_all)(*s, field, scores); }

void search_once(const Search* s, int32_t* field, float* scores, uint64_t seed, int pass, int radius, int samples) {
    FOR_KIND(search_pass)(*s, field, scores, seed, pass, radius, samples);
}

void vote(const int32_t* field, int height, int width, const Byte* values, int values_width, const uint16_t* weights,
          const Byte* made, const Byte* rest, Byte* result, int threads) {
    const int rows = height - P + 1, columns = width - P + 1;
    alignas(32) uint16_t spread[P][32] = {};  // each weight for the four bytes of its pixel
    int whole = 0;
    for (int row = 0; row < P; ++row)
        for (int byte = 0; byte < BYTES; ++byte) spread[row][byte] = weights[row * P + byte / 4];
    for (int index = 0; index < P * P; ++index) whole += weights[index];
    auto total = [&](int row, int column) {  // the weights of all patches that hold a pixel
        const int top = std::max(0, row - rows + 1), bottom = std::min(P - 1, row);
        const int left = std::max(0, column - columns + 1), right = std::min(P - 1, column);
        if (bottom - top == P - 1 && right - left == P - 1) return whole;
        int sum = 0;
        for (int y = top; y <= bottom; ++y)
            for (int x = left; x <= right; ++x) sum += weights[y * P + x];
        return sum;
    };

    in_parallel((height + BAND - 1) / BAND, threads, [&](int band) {
        const int top = band * BAND, bottom = std::min(height, top + BAND);
        if (made && !std::memchr(made + size_t(top) * width, 1, size_t(bottom - top) * width)) {
            std::memcpy(result + size_t(top) * width * 4, rest + size_t(top) * width * 4, size_t(bottom - top) * width * 4);
            return;
        }
        // 1. Add up what patches say of the band's pixels.
        std::vector<uint16_t> sums(size_t(BAND) * width * 4 + 32);
        for (int row = std::max(0, top - P + 1); row < std::min(rows, bottom); ++row)
            for (int column = 0; column < columns; ++column) {
                const int32_t match = field[size_t(row) * columns + column];
                if (match < 0) continue;
                const Byte* patch = values + (size_t(match >> 16) * values_width + (match & 0xffff)) * 4;
                for (int inner = std::max(0, top - row); inner < std::min(P, bottom - row); ++inner) {
                    const size_t pixel = size_t(row + inner - top) * width + column;
                    const Byte* from = patch + size_t(inner) * values_width * 4;
                    uint16_t* to = &sums[pixel * 4];
#ifdef __AVX2__
                    const __m256i bytes = row_of(from);
                    const __m256i* by = reinterpret_cast<const __m256i*>(spread[inner]);
                    const __m256i low =
                        _mm256_mullo_epi16(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(bytes)), by[0]);
                    const __m256i high =
                        _mm256_mullo_epi16(_mm256_cvtepu8_epi16(_mm256_extracti128_si256(bytes, 1)), by[1]);
                    __m256i* out = reinterpret_cast<__m256i*>(to);
                    _mm256_storeu_si256(out, _mm256_add_epi16(_mm256_loadu_si256(out), low));
                    _mm256_storeu_si256(out + 1, _mm256_add_epi16(_mm256_loadu_si256(out + 1), high));
#else
                    for (int byte = 0; byte < BYTES; ++byte) to[byte] += from[byte] * spread[inner][byte];
#endif
                }
            }
        // 2. Divide by the weights, and round; pixels that are not made are the rest's.
        for (int row = top; row < bottom; ++row)
            for (int column = 0; column < width; ++column) {
                const size_t pixel = size_t(row) * width + column, here = size_t(row - top) * width + column;
                if (made && !made[pixel]) {
                    std::memcpy(result + pixel * 4, rest + pixel * 4, 4);
                    continue;
                }
                const float weight = float(total(row, column)), half = 0.5f * weight, inverse = 1.0f / weight;
                for (int byte = 0; byte < 4; ++byte)
                    result[pixel * 4 + byte] = Byte((float(sums[here * 4 + byte]) + half) * inverse);
            }
    });
}

void vote_floats(const int32_t* field, int height, int width, const float* values, int values_width, int channels,
                 const uint16_t* weights, const Byte* made, const float* rest, int rounds, float* result, int threads) {
    auto at = [&](int32_t number) {
        return values + (size_t(number >> 16) * values_width + (number & 0xffff)) * channels;
    };
    for_each_vote(field, height, width, weights, made, threads,
                  [&](size_t pixel, const int32_t* numbers, const int* found, int count) {
        float* to = result + pixel * channels;
        if (count == 0) {
            std::memcpy(to, rest + pixel * channels, size_t(channels) * sizeof(float));
            return;
        }
        if (std::all_of(numbers, numbers + count, [&](int32_t number) { return number == numbers[0]; })) {
            std::memcpy(to, at(numbers[0]), size_t(channels) * sizeof(float));
            return;
        }
        double total = 0;
        for (int vote = 0; vote < count; ++vote) total += found[vote];
        for (int channel = 0; channel < channels; ++channel) {
            double sum = 0;
            for (int vote = 0; vote < count; ++vote) sum += found[vote] * double(at(numbers[vote])[channel]);
            to[channel] = float(rounds ? std::floor((sum + 0.5 * total) / total) : sum / total);
        }
    });
}

void vote_labels(const int32_t* field, int height, int width, const int32_t* labels, int labels_width,
                 const uint16_t* weights, const Byte* made, const int32_t* rest, int32_t* result, int threads) {
    for_each_vote(field, height, width, weights, made, threads,
                  [&](size_t pixel, const int32_t* numbers, const int* found, int count) {
        if (count == 0) {
            result[pixel] = rest[pixel];
            return;
        }
        int32_t kinds[P * P];
        int sums[P * P], different = 0, last = 0;
        for (int vote = 0; vote < count; ++vote) {
            const int32_t number = numbers[vote];
            const int32_t label =
                labels ? labels[size_t(number >> 16) * labels_width + (number & 0xffff)] : number;
            if (different == 0 || kinds[last] != label) {
                for (last = 0; last < different && kinds[last] != label; ++last) {}
                if (last == different) kinds[different] = label, sums[different++] = 0;
            }
            sums[last] += found[vote];
        }
        int best = 0;
        for (int kind = 1; kind < different; ++kind)
            if (sums[kind] > sums[best] || (sums[kind] == sums[best] && kinds[kind] < kinds[best])) best = kind;
        result[pixel] = kinds[best];
    });
}

long mark_changed(const Byte* before, const Byte* after, int height, int width, int threshold, const Byte* within,
                  Byte* patches, int threads) {
    return mark_patches(height, width, within, patches, threads, [&](int row, int column) {
        const Byte *a = before + (size_t(row) * width + column) * 4, *b = after + (size_t(row) * width + column) * 4;
        int most = 0;
        for (int byte = 0; byte < 4; ++byte) most = std::max(most, std::abs(a[byte] - b[byte]));
        return most > threshold;
    });
}

long mark_holding(const Byte* mask, int height, int width, Byte* patches, int threads) {
    return mark_patches(height, width, nullptr, patches, threads,
                        [&](int row, int column) { return mask[size_t(row) * width + column] != 0; });
}

void carry(const int32_t* coarse, int coarse_rows, int coarse_columns, int coarse_top, int coarse_left, int32_t* fine,
           int rows, int columns, int top, int left, int keys_rows, int keys_columns, double factor_y, double factor_x,
           int threads) {
    const double half = 0.5 * P;
    in_parallel(rows, threads, [&](int row) {
        const int y = row + top, from_y = int(std::floor((y + half) / factor_y - half + 0.5));
        const int near_y = std::clamp(from_y - coarse_top, 0, coarse_rows - 1);
        for (int column = 0; column < columns; ++column) {
            const int x = column + left, from_x = int(std::floor((x + half) / factor_x - half + 0.5));
            const int near_x = std::clamp(from_x - coarse_left, 0, coarse_columns - 1);
            const int32_t match = coarse[size_t(near_y) * coarse_columns + near_x];
            int32_t& result = fine[size_t(row) * columns + column];
            if (match < 0) {
                result = -1;
                continue;
            }
            const double down = ((match >> 16) - (near_y + coarse_top)) * factor_y;
            const double right = ((match & 0xffff) - (near_x + coarse_left)) * factor_x;
            const int to_y = std::clamp(y + int(std::floor(down + 0.5)), 0, keys_rows - 1);
            const int to_x = std::clamp(x + int(std::floor(right + 0.5)), 0, keys_columns - 1);
            result = to_y << 16 | to_x;
        }
    });
}
}
