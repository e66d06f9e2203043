// The LSTM recurrence over packed sequences of unequal lengths, in float32: see agents/recurrence.py.
//
// Batch-major: gates [N, R, 4H], hidden, cell, squashed [N, R, H], weight [N, H, 4H]; rows starts[t] ... starts[t] +
// sizes[t] belong to step t, the longest sequences first. Weights are copied once a call into panels of 48 columns that a
// product reads from front to back. Every row's sums run in the same order, whatever the other rows are.

#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace {

constexpr int PANEL = 48;   // columns of a panel

// out[r][c] = sum_k a[r][k] b[k][c]: R rows, C vectors of columns of one panel
template <int R, int C>
inline __attribute__((always_inline)) void tile(const float* __restrict a, long ar, const float* __restrict b, int K,
                                                float* __restrict out, long orow) {
    vec acc[R][C];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
        for (int c = 0; c < C; ++c) acc[r][c] = vec{};
    for (int k = 0; k < K; ++k) {
        vec x[C];
#pragma GCC unroll 3
        for (int c = 0; c < C; ++c) x[c] = *(const uvec*)(b + (long)k * C * W + c * W);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const float w = a[r * ar + k];
#pragma GCC unroll 3
            for (int c = 0; c < C; ++c) acc[r][c] += w * x[c];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
        for (int c = 0; c < C; ++c) *(uvec*)(out + r * orow + c * W) = acc[r][c];
}

template <int C>
void rows_of_panel(int rows, const float* a, long ar, const float* b, int K, float* out, long orow) {
    int r = 0;
    for (; r + 8 <= rows; r += 8) tile<8, C>(a + r * ar, ar, b, K, out + r * orow, orow);
    a += r * ar;
    out += r * orow;
    switch (rows - r) {
        case 7: tile<7, C>(a, ar, b, K, out, orow); break;
        case 6: tile<6, C>(a, ar, b, K, out, orow); break;
        case 5: tile<5, C>(a, ar, b, K, out, orow); break;
        case 4: tile<4, C>(a, ar, b, K, out, orow); break;
        case 3: tile<3, C>(a, ar, b, K, out, orow); break;
        case 2: tile<2, C>(a, ar, b, K, out, orow); break;
        case 1: tile<1, C>(a, ar, b, K, out, orow); break;
        default: break;
    }
}

// Vectors of columns in the panel that starts at column c of `columns` in all.
inline int vectors(int c, int columns) {
    const int left = (columns - c + W - 1) / W;
    return left < PANEL / W ? left : PANEL / W;
}
inline long whole(long n) { return (n + W - 1) / W * W; }

// out [rows, whole(columns)] = a [rows, K] times the panels
void product(int rows, const float* a, long ar, const float* panels, int K, int columns, float* out, long orow) {
    for (int c = 0; c < columns; c += PANEL) {
        const int n = vectors(c, columns);
        const float* b = panels + (long)c * K;
        if (n == 3) rows_of_panel<3>(rows, a, ar, b, K, out + c, orow);
        else if (n == 2) rows_of_panel<2>(rows, a, ar, b, K, out + c, orow);
        else rows_of_panel<1>(rows, a, ar, b, K, out + c, orow);
    }
}

// Panels of b [K, columns], b(k, c) = b[k * bk + c * bc]; columns beyond the last are zero.
void pack(const float* b, long bk, long bc, int K, int columns, float* panels) {
    for (int c = 0; c < columns; c += PANEL) {
        const int width = vectors(c, columns) * W, used = columns - c < width ? columns - c : width;
        float* to = panels + (long)c * K;
        if (bc == 1) {
            for (int k = 0; k < K; ++k) {
                memcpy(to + (long)k * width, b + k * bk + c, used * sizeof(float));
                if (used < width) memset(to + (long)k * width + used, 0, (width - used) * sizeof(float));
            }
        } else {
            if (used < width) memset(to, 0, (long)K * width * sizeof(float));
            for (int k0 = 0; k0 < K; k0 += W)
                for (int i = 0; i < used; ++i)
                    for (int k = k0; k < k0 + W && k < K; ++k) to[(long)k * width + i] = b[k * bk + (c + i) * bc];
        }
    }
}

}  // namespace

extern "C" {

// Floats of scratch that a call needs.
long sequence_scratch(int H, int B) { return (long)H * whole(4 * H) + 4L * H * whole(H) + (long)B * whole(4 * H) + (long)B * whole(H) * 2; }

// gates hold what reaches them from the input, and are activated in place; state is [N, B, H] twice, or null.
void sequence_forward(int N, int T, int H, const int32_t* sizes, const int32_t* starts, float* gates, const float* weight,
                      float* hidden, float* cell, float* squashed, const float* h0, const float* c0, float* scratch) {
    const int G = 4 * H, B = sizes[0];
    const long R = starts[T], GP = whole(G);
    float* panels = scratch;
    float* pre = panels + (long)H * GP;
    for (int n = 0; n < N; ++n) {
        if (T > 1 || h0) pack(weight + (long)n * H * G, G, 1, H, G, panels);
        for (int t = 0; t < T; ++t) {
            const int rows = sizes[t];
            const long at = n * R + starts[t], before = t ? n * R + starts[t - 1] : (long)n * B;
            const float* h = t ? hidden + before * H : (h0 ? h0 + before * H : nullptr);
            const float* c = t ? cell + before * H : (c0 ? c0 + before * H : nullptr);
            if (h) product(rows, h, H, panels, H, G, pre, GP);
            else memset(pre, 0, rows * GP * sizeof(float));
            for (int b = 0; b < rows; ++b) {
                float* g = gates + (at + b) * G;
                const float* q = pre + b * GP;
                for (int j = 0; j < H; j += W) {
                    const int m = H - j;
                    const long k = (at + b) * H + j;
                    vec i = sigmoid(load(g + j, m) + load(q + j, m));
                    vec f = sigmoid(load(g + H + j, m) + load(q + H + j, m));
                    vec x = squash(load(g + 2 * H + j, m) + load(q + 2 * H + j, m));
                    vec o = sigmoid(load(g + 3 * H + j, m) + load(q + 3 * H + j, m));
                    vec v = i * x;
                    if (c) v += f * load(c + (long)b * H + j, m);
                    vec y = squash(v);
                    store(g + j, i, m); store(g + H + j, f, m); store(g + 2 * H + j, x, m); store(g + 3 * H + j, o, m);
                    store(cell + k, v, m); store(squashed + k, y, m); store(hidden + k, o * y, m);
                }
            }
        }
    }
}

// delta [N, R, 4H] is written: the gradient with respect to what reached the gates from the input.
void sequence_backward(int N, int T, int H, const int32_t* sizes, const int32_t* starts, const float* gates,
                       const float* weight, const float* cell, const float* squashed, const float* c0,
                       const float* d_hidden, float* delta, float* scratch) {
    const int G = 4 * H, B = sizes[0];
    const long R = starts[T], HP = whole(H);
    float* panels = scratch;
    float* dh = panels + (long)G * HP;   // [B, HP]: from the step after
    float* dc = dh + B * HP;             // [B, HP]
    for (int n = 0; n < N; ++n) {
        if (T > 1) pack(weight + (long)n * H * G, 1, G, G, H, panels);
        memset(dc, 0, B * HP * sizeof(float));
        for (int t = T - 1; t >= 0; --t) {
            const int rows = sizes[t], later = t + 1 < T ? sizes[t + 1] : 0;
            const long at = n * R + starts[t], before = t ? n * R + starts[t - 1] : (long)n * B;
            const float* c = t ? cell + before * H : (c0 ? c0 + before * H : nullptr);
            if (later) product(later, delta + (n * R + starts[t + 1]) * G, G, panels, G, H, dh, HP);
            for (int b = 0; b < rows; ++b) {
                const float* g = gates + (at + b) * G;
                float* d = delta + (at + b) * G;
                for (int j = 0; j < H; j += W) {
                    const int m = H - j;
                    const long k = (at + b) * H + j;
                    vec e = load(d_hidden + k, m);
                    if (b < later) e += *(const uvec*)(dh + b * HP + j);
                    vec i = load(g + j, m), f = load(g + H + j, m), x = load(g + 2 * H + j, m), o = load(g + 3 * H + j, m);
                    vec y = load(squashed + k, m);
                    uvec* held = (uvec*)(dc + b * HP + j);
                    vec v = *held + e * o * (1.0f - y * y);
                    store(d + j, v * x * (i - i * i), m);
                    store(d + H + j, c ? v * load(c + (long)b * H + j, m) * (f - f * f) : vec{}, m);
                    store(d + 2 * H + j, v * i * (1.0f - x * x), m);
                    store(d + 3 * H + j, e * y * (o - o * o), m);
                    *held = v * f;
                }
            }
        }
    }
}
}
