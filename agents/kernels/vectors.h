// Vectors as wide as the registers here: parts of them, sigmoid and tanh, and products of matrices.
//
// The numbers are `real`: float, or double if the source is compiled with -DREAL=double.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#ifndef REAL
#define REAL float
#endif

namespace {

// Bytes of a register, and how many of them a product sums up in. Wider vectors than that would live in memory.
#if defined(__AVX512F__)
constexpr int BYTES = 64, ACC = 24;
#elif defined(__AVX__)
constexpr int BYTES = 32, ACC = 12;
#else
constexpr int BYTES = 16, ACC = 12;
#endif

typedef REAL real;
constexpr int W = BYTES / sizeof(real);   // numbers in a vector
typedef real vec __attribute__((vector_size(BYTES)));
typedef real uvec __attribute__((vector_size(BYTES), aligned(sizeof(real)), may_alias));
typedef real half __attribute__((vector_size(BYTES / 2), aligned(sizeof(real)), may_alias));

#if defined(__AVX512F__)
inline __m512 first(const float* p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
inline __m512d first(const double* p, int n) { return _mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
inline void keep(float* p, __m512 v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
inline void keep(double* p, __m512d v, int n) { _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), v); }
#else
inline vec first(const real* p, int n) {
    vec v = {};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
}
inline void keep(real* p, vec v, int n) {
    for (int i = 0; i < n; ++i) p[i] = v[i];
}
#endif

// The first n numbers, the others zero; all of them from n = W on.
inline vec load(const real* p, int n) { return n >= W ? (vec)*(const uvec*)p : (vec)first(p, n); }
inline void store(real* p, vec v, int n) {
    if (n >= W) *(uvec*)p = v;
    else keep(p, v, n);
}

// n rounded up to whole vectors
inline long whole(long n) { return (n + W - 1) / W * W; }

inline vec splat(real x) { return x - vec{}; }

// x, but at most `limit` and at least -limit
inline vec within(vec x, real limit) {
#if defined(__AVX512F__)
    if constexpr (sizeof(real) == 4)
        return (vec)_mm512_max_ps(_mm512_set1_ps(-limit), _mm512_min_ps(_mm512_set1_ps(limit), (__m512)x));
#elif defined(__AVX__)
    if constexpr (sizeof(real) == 4)
        return (vec)_mm256_max_ps(_mm256_set1_ps(-limit), _mm256_min_ps(_mm256_set1_ps(limit), (__m256)x));
#endif
    x = x < -limit ? splat(-limit) : x;
    return x > limit ? splat(limit) : x;
}

// 1 / x for 1 <= x < 1e38. An estimate and a step of Newton's are several times faster than a division.
inline vec inverse(vec x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(real) == 4) {
        const vec r = (vec)_mm512_rcp14_ps((__m512)x);
        return r * (2 - x * r);
    }
#elif defined(__AVX__)
    if constexpr (sizeof(real) == 4) {
        const vec r = (vec)_mm256_rcp_ps((__m256)x);
        return r * (2 - x * r);
    }
#endif
    return 1 / x;
}

// exp(sign x), of |x| at most 87 where numbers are float: relative error below 3e-7, that of std::exp for double
inline vec exponential(vec x, real sign = 1) {
    if constexpr (sizeof(real) == 8) {
        for (int i = 0; i < W; ++i) x[i] = std::exp(sign * x[i]);
        return x;
    } else {
        typedef int ivec __attribute__((vector_size(BYTES)));
        x = within(x, 87.0f);
        vec n = x * (sign * 1.44269504f);
        const vec magic = splat(12582912.0f);       // rounds to the nearest integer
        vec r = n + magic;
        ivec e = (ivec)r << 23;                     // low bits of r hold the integer
        n = n - (r - magic);                        // in [-.5, .5]
        vec p = splat(1.32764725e-03f);              // 2^n
        p = p * n + 9.67554096e-03f;
        p = p * n + 5.55071309e-02f;
        p = p * n + 2.40221202e-01f;
        p = p * n + 6.93146944e-01f;
        p = p * n + 1.00000012e+00f;
        return (vec)((ivec)p + e);
    }
}

// 1 / (1 + exp(-x))
inline vec sigmoid(vec x) {
    if constexpr (sizeof(real) == 8) return 1 / (1 + exponential(x, -1));
    else return inverse(1.0f + exponential(x, -1));
}
inline vec squash(vec x) { return 2 * sigmoid(2 * x) - 1; }   // tanh

// A block of W rows of W numbers becomes its columns: log2 W rounds, in which rows S apart exchange halves.
template <int S>
inline __attribute__((always_inline)) void exchange(vec* x) {
    typedef std::conditional_t<sizeof(real) == 4, int32_t, int64_t> index;
    typedef index ivec __attribute__((vector_size(BYTES)));
    ivec low, high;
    for (int i = 0; i < W; ++i) low[i] = i & S ? W + i - S : i, high[i] = i & S ? W + i : i + S;
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) {
        if (i & S) continue;
        const vec a = x[i], b = x[i + S];
        x[i] = __builtin_shuffle(a, b, low);
        x[i + S] = __builtin_shuffle(a, b, high);
    }
    if constexpr (2 * S < W) exchange<2 * S>(x);
}

// to [C W, to_row] = from [rows, from_row] turned, of C vectors of columns, or n < W columns; zero beyond the last row
// up to a number of whole vectors.
template <int C>
inline void turn(const real* from, long from_row, int rows, real* to, long to_row, int n) {
    for (int c = 0; c < C; ++c)
        for (int r = 0; r < rows; r += W) {
            vec x[W];
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) x[i] = r + i < rows ? load(from + (r + i) * from_row + c * W, n) : vec{};
            exchange<1>(x);
#pragma GCC unroll 16
            for (int i = 0; i < W; ++i) *(uvec*)(to + (c * W + i) * to_row + r) = x[i];
        }
}

struct All {};

// Memory that a product brings into the cache for later, a line of it at every term of a sum.
struct Ahead { const real *from, *to; };
struct Nothing {};
constexpr long LINE = 64 / sizeof(real);

// out[r][c] (+)= sum_k a(r, k) b[k][c]: R rows, C vectors of columns; a(r, k) = a[r * ar + k * ak]. AR is `ar` if the
// compiler may know it (else 0): rows then need no address each, for which there are not registers enough. The first n
// columns of the last vector are written: all, or so many. Rows of b, and of `out` if all columns are written, lie where
// vectors may lie.
template <int R, int C, bool ADD, long AR, class V, class COLUMNS, class SOON>
inline __attribute__((always_inline)) void tile(
    const real* __restrict a, long step, long ak, const real* __restrict b, long bk, int K, real* __restrict out,
    long orow, COLUMNS n, SOON soon) {
    long line = 0;
    if constexpr (std::is_same_v<SOON, Ahead>) line = soon.from < soon.to ? LINE : 0;
    constexpr int N = sizeof(V) / sizeof(real);
    const long ar = AR ? AR : step;
    V acc[R][C];
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) acc[r][c] = ADD ? *(const V*)(out + r * orow + c * N) : V{};
    for (int k = 0; k < K; ++k) {
        if constexpr (std::is_same_v<SOON, Ahead>) {
            __builtin_prefetch(soon.from);
            soon.from += line;
        }
        V x[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) x[c] = *(const V*)(b + k * bk + c * N);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) {
            const real w = a[r * ar + k * ak];
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) acc[r][c] += w * x[c];
        }
    }
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
            if constexpr (std::is_same_v<COLUMNS, All>) *(V*)(out + r * orow + c * N) = acc[r][c];
            else store(out + r * orow + c * N, acc[r][c], c + 1 < C ? N : n);
}

// The same for any number of rows: R at a time, then half of R, and so on.
template <int R, int C, bool ADD, long AR, class V, class COLUMNS, class SOON>
void rows_of(
    int rows, const real* a, long ar, long ak, const real* b, long bk, int K, real* out, long orow, COLUMNS n,
    SOON soon) {
    int r = 0;
    for (; r + R <= rows; r += R) {
        tile<R, C, ADD, AR, V>(a + r * ar, ar, ak, b, bk, K, out + r * orow, orow, n, soon);
        if constexpr (std::is_same_v<SOON, Ahead>) soon.from += K * LINE;
    }
    if constexpr (R > 1)
        if (r < rows) rows_of<R / 2, C, ADD, AR, V>(rows - r, a + r * ar, ar, ak, b, bk, K, out + r * orow, orow, n, soon);
}
template <int C, bool ADD, long AR = 0, class V = vec, class COLUMNS = All, class SOON = Nothing>
void product(
    int rows, const real* a, long ar, long ak, const real* b, long bk, int K, real* out, long orow, COLUMNS n = {},
    SOON soon = {}) {
    rows_of<ACC / C, C, ADD, AR, V>(rows, a, ar, ak, b, bk, K, out, orow, n, soon);
}

constexpr int PANEL = 3 * W;   // columns of a panel

// Vectors of columns in the panel that starts at column c of `columns` in all.
inline int vectors(int c, int columns) {
    const int left = (columns - c + W - 1) / W;
    return left < PANEL / W ? left : PANEL / W;
}

// Panels of b [K, columns], b(k, c) = b[k * bk + c * bc], bk or bc being 1: a product reads them from front to back.
// Columns beyond the last are zero.
void pack(const real* b, long bk, long bc, int K, int columns, real* panels) {
    if (bc == 1) {   // row by row, as they lie in memory
        const int full = columns / PANEL * PANEL;
        for (long k = 0; k < K; ++k) {
            const real* from = b + k * bk;
            for (long c = 0; c < full; c += PANEL) {
                real* to = panels + c * K + k * PANEL;
                for (int i = 0; i < PANEL; i += W) *(uvec*)(to + i) = *(const uvec*)(from + c + i);
            }
            const long width = vectors(full, columns) * W;
            real* to = panels + (long)full * K + k * width;
            for (int i = 0; i < width; i += W) *(uvec*)(to + i) = load(from + full + i, columns - full - i);
        }
        return;
    }
    for (int c = 0; c < columns; c += PANEL) {
        const int width = vectors(c, columns) * W, used = columns - c < width ? columns - c : width;
        real* to = panels + (long)c * K;
        const real* from = b + c * bc;
        const int turned = used / W * W, steps = K / W * W;
        for (int i = 0; i < turned; i += W)
            for (int k = 0; k < steps; k += W) turn<1>(from + k + i * bc, bc, W, to + (long)k * width + i, width, W);
        for (int k = 0; k < K; ++k) {
            real* row = to + (long)k * width;
            for (int j = k < steps ? turned : 0; j < width; ++j) row[j] = j < used ? from[k + j * bc] : 0;
        }
    }
}

// out [rows, columns] = a [rows, K] times the panels; a(r, k) = a[r * ar + k * ak]
void by_panels(int rows, const real* a, long ar, long ak, const real* panels, int K, int columns, real* out, long orow) {
    for (int c = 0; c < columns; c += PANEL) {
        const int C = vectors(c, columns), n = columns - c - (C - 1) * W;
        const real* b = panels + (long)c * K;
        if (C == 3) product<3, false>(rows, a, ar, ak, b, 3 * W, K, out + c, orow, n);
        else if (C == 2) product<2, false>(rows, a, ar, ak, b, 2 * W, K, out + c, orow, n);
        else product<1, false>(rows, a, ar, ak, b, W, K, out + c, orow, n);
    }
}

}  // namespace
