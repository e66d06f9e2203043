// The LSTM over packed sequences of unequal lengths, N networks of one shape.
//
// Batch-major: before and gates [N, R, 4H], hidden, cell, squashed [N, R, H], weight [N, H, 4H]; rows starts[t] ...
// starts[t] + sizes[t] belong to step t, the longest sequences first. The first state is zero.

#include <cstdint>
#include <cstring>

#include "lstm.h"
#include "vectors.h"

extern "C" {

// Numbers of scratch that a call needs, for B sequences.
long packed_scratch(int H, int B) {
    return H * whole(4 * H) + 4L * H * whole(H) + B * (whole(4 * H) + 2 * whole(H));
}

void packed_forward(int N, int T, int H, const int32_t* sizes, const int32_t* starts, const real* before,
                    const real* weight, real* gates, real* hidden, real* cell, real* squashed, real* scratch) {
    const int G = 4 * H;
    const long R = starts[T], GP = whole(G);
    real* panels = scratch;
    real* pre = panels + H * GP;
    for (int n = 0; n < N; ++n) {
        if (T > 1) pack(weight + (long)n * H * G, G, 1, H, G, panels);
        memset(pre, 0, sizes[0] * GP * sizeof(real));
        for (int t = 0; t < T; ++t) {
            const long at = n * R + starts[t], last = n * R + starts[t ? t - 1 : 0];
            if (t) by_panels(sizes[t], hidden + last * H, panels, H, G, pre, GP);
            for (int b = 0; b < sizes[t]; ++b) {
                const real* x = before + (at + b) * G;
                const real* q = pre + b * GP;
                real* g = gates + (at + b) * G;
                for (int j = 0; j < H; j += W) {
                    const int m = H - j;
                    const long k = (at + b) * H + j;
                    const auto reached = [&](int gate) { return load(x + gate * H + j, m) + load(q + gate * H + j, m); };
                    const Gates<vec> a = {sigmoid(reached(0)), sigmoid(reached(1)), squash(reached(2)), sigmoid(reached(3))};
                    const Cell<vec> now = lstm_step(a, t ? load(cell + (last + b) * H + j, m) : vec{}, squash);
                    store(g + j, a.i, m); store(g + H + j, a.f, m); store(g + 2 * H + j, a.g, m); store(g + 3 * H + j, a.o, m);
                    store(cell + k, now.c, m); store(squashed + k, now.y, m); store(hidden + k, now.h, m);
                }
            }
        }
    }
}

// delta [N, R, 4H], the gradient of `before`, is written; d_hidden [N, R, H].
void packed_backward(int N, int T, int H, const int32_t* sizes, const int32_t* starts, const real* gates,
                     const real* weight, const real* cell, const real* squashed, const real* d_hidden, real* delta,
                     real* scratch) {
    const int G = 4 * H, B = sizes[0];
    const long R = starts[T], HP = whole(H);
    real* panels = scratch;
    real* dh = panels + G * HP;    // [B, HP]: from the step after
    real* dc = dh + B * HP;        // [B, HP]
    for (int n = 0; n < N; ++n) {
        if (T > 1) pack(weight + (long)n * H * G, 1, G, G, H, panels);
        memset(dc, 0, B * HP * sizeof(real));
        for (int t = T - 1; t >= 0; --t) {
            const int later = t + 1 < T ? sizes[t + 1] : 0;
            const long at = n * R + starts[t], last = n * R + starts[t ? t - 1 : 0];
            if (later) by_panels(later, delta + (n * R + starts[t + 1]) * G, panels, G, H, dh, HP);
            for (int b = 0; b < sizes[t]; ++b) {
                const real* g = gates + (at + b) * G;
                real* d = delta + (at + b) * G;
                for (int j = 0; j < H; j += W) {
                    const int m = H - j;
                    const long k = (at + b) * H + j;
                    vec e = load(d_hidden + k, m);
                    if (b < later) e += *(const uvec*)(dh + b * HP + j);
                    const Gates<vec> a = {load(g + j, m), load(g + H + j, m), load(g + 2 * H + j, m), load(g + 3 * H + j, m)};
                    vec held = *(const uvec*)(dc + b * HP + j);
                    const vec c0 = t ? load(cell + (last + b) * H + j, m) : vec{};
                    const Gates<vec> back = lstm_step_back(a, c0, load(squashed + k, m), e, held);
                    *(uvec*)(dc + b * HP + j) = held;
                    store(d + j, back.i, m); store(d + H + j, back.f, m);
                    store(d + 2 * H + j, back.g, m); store(d + 3 * H + j, back.o, m);
                }
            }
        }
    }
}
}
