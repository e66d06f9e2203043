// The LSTM's forward step and its back-propagation through time, for all members of a population, in float32.
//
// Layout is that of agents/cores.py, feature-major with the batch last: z [T+1, P, F, B] with F = I + H + 1,
// gates [T, P, 4H, B], cell [T+1, P, H, B], squashed [T, P, H, B], heads [T, P, O, B]. Columns (episodes) are
// worked on 16 or 32 at a time, so that a column's gates stay in the cache from the product to the activation.
// Every member's sums run in an order that does not depend on the other members.

#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace {

constexpr int CHUNK = 8;   // steps whose weight gradient is one product

#if defined(__AVX512F__)
constexpr int ACC = 24;    // accumulators that fit the registers
#else
constexpr int ACC = 4;
#endif

struct Shape { int32_t T, P, B, I, H, O; };

// out[r][c] (+)= sum_k a(r, k) b[k][c]: R rows, C whole vectors of columns; a(r, k) = a[r * ar + k * ak]
template <int R, int C, bool ADD>
inline __attribute__((always_inline)) void tile(
    const float* __restrict a, long ar, long ak, const float* __restrict b, long bk, int K, float* __restrict out,
    long orow) {
    vec acc[R][C];
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) acc[r][c] = ADD ? (vec)*(const uvec*)(out + r * orow + c * W) : vec{};
    for (int k = 0; k < K; ++k) {
        vec x[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) x[c] = *(const uvec*)(b + k * bk + c * W);
#pragma GCC unroll 24
        for (int r = 0; r < R; ++r) {
            const float w = a[r * ar + k * ak];
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) acc[r][c] += w * x[c];
        }
    }
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) *(uvec*)(out + r * orow + c * W) = acc[r][c];
}

template <int C, bool ADD>
void product(int rows, const float* a, long ar, long ak, const float* b, long bk, int K, float* out, long orow) {
    constexpr int R = ACC / C;
    int r = 0;
    for (; r + R <= rows; r += R) tile<R, C, ADD>(a + r * ar, ar, ak, b, bk, K, out + r * orow, orow);
    for (; r < rows; ++r) tile<1, C, ADD>(a + r * ar, ar, ak, b, bk, K, out + r * orow, orow);
}

// Rows of n columns to rows of W, the rest zero; and back.
inline void widen(float* to, const float* from, long rows, long B, int n) {
    for (long r = 0; r < rows; ++r) *(uvec*)(to + r * W) = load(from + r * B, n);
}
inline void narrow(float* to, const float* from, long rows, long B, int n) {
    for (long r = 0; r < rows; ++r) store(to + r * B, *(const uvec*)(from + r * W), n);
}

struct Tape {
    Shape s;
    const float* weight;   // [P, 4H, F]; rows of g doubled
    const float* head;     // [P, O, H + 1]
    float *z, *gates, *cell, *squashed, *heads, *scratch;
    int64_t z_block, gates_block, cell_block, squashed_block, heads_block;   // numbers from member to member
};

// C vectors of columns, or one of n < W.
template <int C>
void forward_block(const Tape& k, int t, int p, int b, int n) {
    const Shape& s = k.s;
    const long B = s.B, H = s.H, F = s.I + s.H + 1, at = (long)t * s.P + p, next = at + s.P;
    const bool part = n < C * W;
    const float* z = k.z + at * k.z_block + b;
    float* gates = k.gates + at * k.gates_block + b;
    const float* cell = k.cell + at * k.cell_block + b;
    float* cell1 = k.cell + next * k.cell_block + b;
    float* squashed = k.squashed + at * k.squashed_block + b;
    float* out = k.z + next * k.z_block + s.I * B + b;   // [h; 1] of the next step
    float* heads = k.heads + at * k.heads_block + b;
    const float* weight = k.weight + (long)p * 4 * H * F;
    const float* head = k.head + (long)p * s.O * (H + 1);
    float* pre = gates;
    long row = B;
    if (part) {
        float* wide = k.scratch + 4 * H * W;
        widen(wide, z, F, B, n);
        pre = k.scratch;
        row = W;
        product<1, false>(4 * H, weight, F, 1, wide, W, F, pre, W);
    } else {
        product<C, false>(4 * H, weight, F, 1, z, B, F, gates, B);
    }
    for (long j = 0; j < H; ++j)
        for (int c = 0; c < C; ++c) {
            const long q = j * B + c * W, h = H * B, l = j * row + c * W, g4 = H * row;
            const int m = part ? n : W;
            vec i = sigmoid(*(uvec*)(pre + l)), f = sigmoid(*(uvec*)(pre + g4 + l));
            vec g = sigmoid(*(uvec*)(pre + 2 * g4 + l)), o = sigmoid(*(uvec*)(pre + 3 * g4 + l));
            vec x = f * load(cell + q, m) + i * (2.0f * g - 1.0f);
            vec y = squash(x);
            store(gates + q, i, m); store(gates + h + q, f, m);
            store(gates + 2 * h + q, g, m); store(gates + 3 * h + q, o, m);
            store(cell1 + q, x, m); store(squashed + q, y, m); store(out + q, o * y, m);
        }
    if (part) {
        widen(k.scratch, out, H + 1, B, n);
        float* wide = k.scratch + (H + 1) * W;
        product<1, false>(s.O, head, H + 1, 1, k.scratch, W, H + 1, wide, W);
        narrow(heads, wide, s.O, B, n);
    } else {
        product<C, false>(s.O, head, H + 1, 1, out, B, H + 1, heads, B);
    }
}

// One block of columns of one member, all steps backwards; sums into dw [4H, FP], dv [O, FP]
template <int C>
void backward_block(const Tape& k, const float* d_heads, const float* d_hidden, int p, int b, int n, float* scratch,
                    float* dw, float* dv, float* d_state) {
    const Shape& s = k.s;
    const long B = s.B, H = s.H, F = s.I + s.H + 1, N = C * W, FP = (F + 2 * W - 1) / (2 * W) * (2 * W);
    float* dh = scratch;                       // [H, N]
    float* dc = dh + H * N;                    // [H, N]
    float* delta = dc + H * N;                 // [4H, CHUNK, N]
    float* zt = delta + 4 * H * CHUNK * N;     // [CHUNK, N, FP]
    float* ot = zt + CHUNK * N * FP;           // [CHUNK, N, FP] one step later: holds h_t
    float* dl = ot + CHUNK * N * FP;           // [O, CHUNK, N]
    const float* weight = k.weight + (long)p * 4 * H * F;
    const float* head = k.head + (long)p * s.O * (H + 1);
    const int columns = n, m = n < W ? n : W;   // C > 1 only for whole vectors
    memset(dh, 0, 2 * H * N * sizeof(float));
    memset(zt, 0, 2 * CHUNK * N * FP * sizeof(float));
    for (int end = s.T; end > 0; end -= CHUNK) {
        const int begin = end > CHUNK ? end - CHUNK : 0, steps = end - begin;
        const long row = CHUNK * N;
        for (int t = end - 1; t >= begin; --t) {
            const long at = (long)t * s.P + p, u = t - begin;
            const float* g = k.gates + at * k.gates_block + b;
            const float* c0 = k.cell + at * k.cell_block + b;
            const float* sq = k.squashed + at * k.squashed_block + b;
            const float* d = d_heads + at * s.O * B + b;
            const float* other = d_hidden ? d_hidden + at * H * B + b : nullptr;
            float* dt = delta + u * N;
            for (int o = 0; o < s.O; ++o)
                for (int c = 0; c < C; ++c) store(dl + o * row + u * N + c * W, load(d + o * B + c * W, m), W);
            for (long j = 0; j < H; ++j)
                for (int c = 0; c < C; ++c) {
                    const long q = j * B + c * W, h = H * B, l = j * N + c * W;
                    vec e = *(vec*)(dh + l);
                    if (t) {   // the step before, while this one is computed
                        const long g1 = -s.P * k.gates_block + q;
                        __builtin_prefetch(g + g1); __builtin_prefetch(g + g1 + h);
                        __builtin_prefetch(g + g1 + 2 * h); __builtin_prefetch(g + g1 + 3 * h);
                        __builtin_prefetch(c0 - s.P * k.cell_block + q);
                        __builtin_prefetch(sq - s.P * k.squashed_block + q);
                        __builtin_prefetch(k.z + (at - s.P) * k.z_block + b + q);
                    }
                    if (other) e += load(other + q, m);
                    for (int o = 0; o < s.O; ++o) e += head[o * (H + 1) + j] * *(vec*)(dl + o * row + u * N + c * W);
                    vec i = load(g + q, m), f = load(g + h + q, m), x = load(g + 2 * h + q, m), o = load(g + 3 * h + q, m);
                    vec y = load(sq + q, m);
                    vec v = *(vec*)(dc + l) + e * o * (1.0f - y * y);
                    *(vec*)(dt + j * row + c * W) = v * (2.0f * x - 1.0f) * (i - i * i);
                    *(vec*)(dt + (H + j) * row + c * W) = v * load(c0 + q, m) * (f - f * f);
                    *(vec*)(dt + (2 * H + j) * row + c * W) = v * 2.0f * i * (x - x * x);
                    *(vec*)(dt + (3 * H + j) * row + c * W) = e * y * (o - o * o);
                    *(vec*)(dc + l) = v * f;
                }
            product<C, false>(H, weight + s.I, 1, F, dt, row, 4 * H, dh, N);
            const float* z = k.z + at * k.z_block + b;
            const float* z1 = z + s.P * k.z_block;
            for (int f = 0; f < F; ++f)
                for (int c = 0; c < columns; ++c) zt[(u * N + c) * FP + f] = z[f * B + c];
            if (!s.O) continue;
            if (t == end - 1)
                for (int f = 0; f < F; ++f)
                    for (int c = 0; c < columns; ++c) ot[(u * N + c) * FP + f] = z1[f * B + c];
            else
                memcpy(ot + u * N * FP, zt + (u + 1) * N * FP, N * FP * sizeof(float));
        }
        for (long f = 0; f < FP; f += 2 * W) {   // FP is made even by the caller
            product<2, true>(4 * H, delta, row, 1, zt + f, FP, steps * N, dw + f, FP);
            product<2, true>(s.O, dl, row, 1, ot + f, FP, steps * N, dv + f, FP);
        }
    }
    for (long j = 0; j < H; ++j)
        for (int c = 0; c < columns; ++c) {
            d_state[j] += dh[j * N + c];
            d_state[H + j] += dc[j * N + c];
        }
}

}  // namespace

extern "C" {

void lstm_forward(const Tape* tape, int t) {
    const Shape& s = tape->s;
    for (int p = 0; p < s.P; ++p)
        for (int b = 0; b < s.B;) {
            const int left = s.B - b;
            const int n = left < W ? left : W;
            if (left >= 2 * W) { forward_block<2>(*tape, t, p, b, 2 * W); b += 2 * W; }
            else { forward_block<1>(*tape, t, p, b, n); b += W; }
        }
}

// actions [P, B]: argmax over the first `choices` read-outs plus noise [P, choices, B], `noise_block` numbers from member
// to member. Written for all columns at once, so that the compiler makes vectors of it.
void lstm_choose(const Tape* tape, int t, int choices, const float* noise, long noise_block, int64_t* actions) {
    const Shape& s = tape->s;
    const int B = s.B;
    for (int p = 0; p < s.P; ++p) {
        const float* h = tape->heads + ((long)t * s.P + p) * tape->heads_block;
        const float* u = noise + p * noise_block;
        int64_t* a = actions + (long)p * B;
        for (int b = 0; b < B; ++b) {
            float best = h[b] + u[b];
            int64_t arm = 0;
            for (int k = 1; k < choices; ++k) {
                const float x = h[(long)k * B + b] + u[(long)k * B + b];
                arm = x > best ? k : arm;
                best = x > best ? x : best;
            }
            a[b] = arm;
        }
    }
}

// d_heads [T, P, O, B]; d_hidden [T, P, H, B], gradients of the hidden states through other read-outs, or null.
// d_weight [P, 4H, F], d_head [P, O, H + 1] and d_state [P, 2, H] are overwritten.
// scratch: aligned to 64 bytes, lstm_scratch() floats.
long lstm_scratch(const Tape* tape) {
    const Shape& s = tape->s;
    const long F = s.I + s.H + 1, FP = (F + 2 * W - 1) / (2 * W) * (2 * W), N = 2 * W;
    return 2L * s.H * N + 4L * s.H * CHUNK * N + 2L * CHUNK * N * FP + (long)s.O * CHUNK * N + (4L * s.H + s.O) * FP;
}

void lstm_backward(const Tape* tape, const float* d_heads, const float* d_hidden, float* d_weight, float* d_head,
                   float* d_state, float* scratch) {
    const Shape& s = tape->s;
    const long H = s.H, F = s.I + s.H + 1, FP = (F + 2 * W - 1) / (2 * W) * (2 * W);
    float* dw = scratch;
    float* dv = dw + 4 * H * FP;
    float* rest = dv + s.O * FP;
    for (int p = 0; p < s.P; ++p) {
        memset(dw, 0, (4 * H + s.O) * FP * sizeof(float));
        float* state = d_state + p * 2 * H;
        memset(state, 0, 2 * H * sizeof(float));
        for (int b = 0; b < s.B;) {
            const int left = s.B - b;
            const int n = left < W ? left : W;
            if (left >= 2 * W) { backward_block<2>(*tape, d_heads, d_hidden, p, b, 2 * W, rest, dw, dv, state); b += 2 * W; }
            else { backward_block<1>(*tape, d_heads, d_hidden, p, b, n, rest, dw, dv, state); b += W; }
        }
        for (long r = 0; r < 4 * H; ++r) memcpy(d_weight + ((long)p * 4 * H + r) * F, dw + r * FP, F * sizeof(float));
        for (long o = 0; o < s.O; ++o)
            memcpy(d_head + ((long)p * s.O + o) * (H + 1), dv + o * FP + s.I, (H + 1) * sizeof(float));
    }
}
}
