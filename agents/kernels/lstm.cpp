// The LSTM: one step and its derivative; unrolled with all it needs, for populations that act.
//
// Numbers are `real`, float or double (vectors.h). Every row's sums run in one order, whatever the other rows are.

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "learning.h"
#include "lstm.h"
#include "vectors.h"

namespace {

constexpr int CHUNK = 8;   // steps whose weight gradient is one product

struct Shape { int32_t T, P, B, I, H, O; };

// C vectors of columns of some rows, or n < W columns, from rows `from_row` apart to rows `to_row` apart.
template <int C>
inline void copy(real* to, long to_row, const real* from, long from_row, long rows, int n) {
    for (long r = 0; r < rows; ++r)
        for (int c = 0; c < C; ++c)
            store(to + r * to_row + c * W, load(from + r * from_row + c * W, n), to_row == C * W ? W : n);
}

// Which ways the gradient takes; see Credit in networks/vectorised.py.
struct Credit {
    const real* feedback;   // [P, O, H + 1] in place of the read-out, or null
    int local, truncate;
    const uint8_t* starts;  // [T, P, B], 1 where an episode starts: its state is no function of the step before; or null
};

struct Tape {
    Shape s;
    const real* parameters;   // [P, n]: weight [4H, F], then the read-out [O, H + 1]
    real* across;             // [P, F, 4H], the weight transposed, columns of g doubled
    real *z, *gates, *cell, *heads, *scratch;
    int64_t z_block, gates_block, cell_block, heads_block;   // numbers from member to member

    const real* weight(int p) const { return parameters + p * (4L * s.H * (s.I + s.H + 1) + s.O * (s.H + 1L)); }
    const real* head(int p) const { return weight(p) + 4L * s.H * (s.I + s.H + 1); }
};

// One step of C vectors of columns, or of n < W. Its gates are one piece of memory, and its inputs are copied to the
// scratch: rows of the tape are B apart, and where that is a power of 2 they would push each other out of the cache.
template <int C>
void forward_block(const Tape& k, int t, int p, int b, int n) {
    const Shape& s = k.s;
    const long B = s.B, H = s.H, F = s.I + s.H + 1, N = C * W, at = (long)t * s.P + p, next = at + s.P;
    const int m = C > 1 ? W : n;
    const long next_row = C > 1 ? N : n, gate = H * next_row;   // numbers from row to row of the gates, from gate to gate
    const real* cell = k.cell + at * k.cell_block + b;
    real* gates = k.gates + at * k.gates_block + 4 * H * b;
    real* cell1 = k.cell + next * k.cell_block + b;
    real* out = k.z + next * k.z_block + s.I * B + b;   // [h; 1] of the next step
    real* heads = k.heads + at * k.heads_block + b;
    real* z = k.scratch;                                // [F, N]
    real* said = z + F * N;                             // [O, N]
    real* seen = z + s.I * N;                           // [h; 1], first of the step before
    copy<C>(z, N, k.z + at * k.z_block + b, B, F, m);
    const real* soon = gates + (t + 1 < s.T ? s.P * k.gates_block : 0);
    product<C, false, 1>(4 * H, k.across + p * 4 * H * F, 1, 4 * H, z, N, F, gates, next_row, m,
                         Ahead{soon, soon + 4 * gate});
    // Two loops of short chains: the processor then works on many at once.
    for (long r = 0; r < 4 * H; ++r)
#pragma GCC unroll 2
        for (int c = 0; c < C; ++c) {
            real* x = gates + r * next_row + c * W;
            store(x, sigmoid(load(x, m)), m);
            if (t + 1 < s.T && r < 2 * H) {   // where the next step writes, beside its gates
                const real* place = r < H ? cell1 + s.P * k.cell_block + r * B : out + s.P * k.z_block + (r - H) * B;
                __builtin_prefetch(place + c * W);
            }
        }
    for (long j = 0; j < H; ++j)
#pragma GCC unroll 2
        for (int c = 0; c < C; ++c) {
            const long q = j * B + c * W;
            real* g = gates + j * next_row + c * W;
            const Gates<vec> a = {load(g, m), load(g + gate, m), 2 * load(g + 2 * gate, m) - 1, load(g + 3 * gate, m)};
            const Cell<vec> now = lstm_step(a, load(cell + q, m), squash);
            store(cell1 + q, now.c, m); store(out + q, now.h, m);
            *(vec*)(seen + j * N + c * W) = now.h;
        }
    product<C, false>(s.O, k.head(p), H + 1, 1, seen, N, H + 1, said, N);
    copy<C>(heads, B, said, N, s.O, m);
}

// What happens in episodes with n = P B columns: what actions pay and show, and where inputs hold what was done.
struct Play {
    int32_t A, D, values;                                   // actions, rows of what they show, rewards shown one-hot
    int32_t seen, action, reward, centred, one_hot;         // first row of each input, or -1
    float scale, shift;                                     // of the centred reward
    int64_t noise_block, noise_row;                         // numbers from member to member, from step to step
    const real *noise, *paid, *shown, *value;               // [P, T, A, B] or null, [T, S A, n], [T, S, D, n], [values]
    int64_t* actions;                                       // [T, P, B]
    real* rewards;                                          // [T, P, B]
    // S places that episodes can be in: the next one [T, S, A], the first one [n]. Null: S = 1 is paid, S = A is shown,
    // that of the action before.
    const int64_t *next, *start;
    int64_t places, each;                                   // each: 1; 0: all steps have the tables of the first
};

// The choices of one step, what they pay, and both in the inputs of the next step.
inline void outcome(const Tape& k, const Play& g, int t, int p, int b, int n, int64_t* place) {
    const Shape& s = k.s;
    const long B = s.B, rows = s.P * B, column = p * B + b;
    const long choices = g.next ? g.places * g.A : g.A, kinds = g.next ? g.places : g.A;
    const real* head = k.heads + ((long)t * s.P + p) * k.heads_block + b;
    const real* noise = g.noise ? g.noise + p * g.noise_block + t * g.noise_row + b : nullptr;
    int64_t* action = g.actions + t * rows + column;
    real* reward = g.rewards + t * rows + column;
    for (int c = 0; c < n; ++c) {
        real best = noise ? head[c] + noise[c] : head[c];
        int64_t arm = 0;
        for (int a = 1; a < g.A; ++a) {
            const real x = noise ? head[a * B + c] + noise[a * B + c] : head[a * B + c];
            arm = x > best ? a : arm;
            best = x > best ? x : best;
        }
        action[c] = arm;
        const long choice = g.next ? place[c] * g.A + arm : arm;
        const long at = t * g.each * choices + choice;
        reward[c] = g.paid[at * rows + column + c];
        place[c] = g.next ? g.next[at] : arm;
    }
    if (t + 1 == s.T) return;
    real* next = k.z + ((t + 1L) * s.P + p) * k.z_block + b;
    if (g.action >= 0)
        for (int a = 0; a < g.A; ++a)
            for (int c = 0; c < n; ++c) next[(g.action + a) * B + c] = action[c] == a;
    if (g.reward >= 0) memcpy(next + g.reward * B, reward, n * sizeof(real));
    if (g.centred >= 0)
        for (int c = 0; c < n; ++c) next[g.centred * B + c] = g.shift + g.scale * reward[c];
    if (g.one_hot >= 0)
        for (int v = 0; v < g.values; ++v)
            for (int c = 0; c < n; ++c) next[(g.one_hot + v) * B + c] = reward[c] == g.value[v];
    for (int d = 0; d < g.D; ++d)
        for (int c = 0; c < n; ++c)
            next[(g.seen + d) * B + c] = g.shown[(((t + 1L) * g.each * kinds + place[c]) * g.D + d) * rows + column + c];
}

template <int C>
void play_block(const Tape& k, const Play& g, int p, int b, int n) {
    int64_t place[C * W] = {};
    if (g.start) memcpy(place, g.start + (long)p * k.s.B + b, n * sizeof(int64_t));
    for (int t = 0; t < k.s.T; ++t) {
        forward_block<C>(k, t, p, b, n);
        outcome(k, g, t, p, b, n, place);
    }
}

// One block of columns of one member, all steps backwards; sums into dw [4H, FP], dv [O, FP]
template <int C>
void backward_block(const Tape& k, const real* d_heads, const Credit& credit, int p, int b, int n, real* scratch,
                    real* dw, real* dv, int codes, real* d_codes) {
    const Shape& s = k.s;
    const long B = s.B, H = s.H, F = s.I + s.H + 1, N = C * W, FP = (F + 2 * W - 1) / (2 * W) * (2 * W);
    real* dh = scratch;                       // [H, N]
    real* dc = dh + H * N;                    // [H, N]
    real* delta = dc + H * N;                 // [4H, CHUNK, N]
    real* zt = delta + 4 * H * CHUNK * N;     // [CHUNK + 1, N, FP]: holds h_{t - 1}
    real* ot = zt + N * FP;                   // [CHUNK, N, FP], one step later; apart if h_t is not what comes next
    if (credit.starts) ot += CHUNK * N * FP;
    real* dl = zt + (2 * CHUNK + 1) * N * FP; // [O, CHUNK, N]
    real* dx = dl + s.O * CHUNK * N;          // [codes, N]
    const real* weight = k.weight(p);
    const real* head = credit.feedback ? credit.feedback + (long)p * s.O * (H + 1) : k.head(p);
    const int columns = n, m = C > 1 ? W : n;
    const long next_row = C > 1 ? N : n, gate = H * next_row;   // as in forward_block
    memset(dh, 0, 2 * H * N * sizeof(real));
    for (int end = s.T; end > 0; end -= CHUNK) {
        const int begin = end > CHUNK ? end - CHUNK : 0, steps = end - begin;
        const long row = CHUNK * N;
        if (end < s.T) memcpy(zt + steps * N * FP, zt, N * FP * sizeof(real));
        else turn<C>(k.z + ((long)end * s.P + p) * k.z_block + b, B, F, zt + steps * N * FP, FP, m);
        for (int t = end - 1; t >= begin; --t) {
            const long at = (long)t * s.P + p, u = t - begin;
            const real* g = k.gates + at * k.gates_block + 4 * H * b;
            const real* c0 = k.cell + at * k.cell_block + b;
            const real* d = d_heads + at * s.O * B + b;
            real* dt = delta + u * N;
            const real* soon = g - (t ? s.P * k.gates_block : 0);
            for (int o = 0; o < s.O; ++o)
                for (int c = 0; c < C; ++c) store(dl + o * row + u * N + c * W, load(d + o * B + c * W, m), W);
            for (long j = 0; j < H; ++j)
#pragma GCC unroll 2
                for (int c = 0; c < C; ++c) {
                    const long q = j * B + c * W, r = j * next_row + c * W, l = j * N + c * W;
                    vec e = *(vec*)(dh + l);
                    if (t) {   // the step before, while this one is computed
                        __builtin_prefetch(c0 - s.P * k.cell_block + q);
                        __builtin_prefetch(k.z + (at - s.P) * k.z_block + b + q);
                    }
                    for (int o = 0; o < s.O; ++o) e += head[o * (H + 1) + j] * *(vec*)(dl + o * row + u * N + c * W);
                    const Gates<vec> a = {load(g + r, m), load(g + gate + r, m), 2 * load(g + 2 * gate + r, m) - 1,
                                          load(g + 3 * gate + r, m)};
                    const vec before = load(c0 + q, m), y = lstm_step(a, before, squash).y;
                    const Gates<vec> back = lstm_step_back(a, before, y, e, *(vec*)(dc + l));
                    real* to = dt + j * row + c * W;
                    *(vec*)to = back.i; *(vec*)(to + H * row) = back.f;
                    *(vec*)(to + 2 * H * row) = back.g; *(vec*)(to + 3 * H * row) = back.o;
                }
            if (codes) {
                product<C, false, 1>(codes, weight, 1, F, dt, row, 4 * H, dx, N);
                for (long i = 0; i < codes; ++i)
                    for (int c = 0; c < C; ++c)
                        store(d_codes + (at * codes + i) * B + b + c * W, *(vec*)(dx + i * N + c * W), m);
            }
            if (credit.truncate && t % credit.truncate == 0) memset(dh, 0, 2 * H * N * sizeof(real));   // and dc
            else if (!credit.local)
                product<C, false, 1>(H, weight + s.I, 1, F, dt, row, 4 * H, dh, N, All{}, Ahead{soon, soon + 4 * gate});
            if (credit.starts)
                for (int c = 0; c < columns; ++c)
                    if (credit.starts[at * B + b + c])
                        for (long j = 0; j < H; ++j) dh[j * N + c] = dc[j * N + c] = 0;
            turn<C>(k.z + at * k.z_block + b, B, F, zt + u * N * FP, FP, m);
            if (!credit.starts) continue;
            memcpy(ot + u * N * FP, zt + (u + 1) * N * FP, N * FP * sizeof(real));
            if (t + 1 < s.T)   // the next step begins with another state than this one ended with
                for (int c = 0; c < columns; ++c)
                    if (credit.starts[(at + s.P) * B + b + c])
                        for (long j = 0; j < H; ++j) {
                            const real *x = g + j * next_row + c, c1 = x[gate] * c0[j * B + c] + x[0] * (2 * x[2 * gate] - 1);
                            ot[(u * N + c) * FP + s.I + j] = x[3 * gate] * std::tanh(c1);
                        }
        }
        const auto gather = [&](auto wide, auto like, long f) {
            constexpr int V = decltype(wide)::value;
            typedef decltype(like) vector;
            product<V, true, CHUNK * C * W, vector>(4 * H, delta, row, 1, zt + f, FP, steps * N, dw + f, FP);
            product<V, true, CHUNK * C * W, vector>(s.O, dl, row, 1, ot + f, FP, steps * N, dv + f, FP);
        };
        long f = 0;
        for (; f + 2 * W <= F; f += 2 * W) gather(std::integral_constant<int, 2>(), uvec{}, f);
        for (; f + W / 2 < F; f += W) gather(std::integral_constant<int, 1>(), uvec{}, f);
        if (f < F) gather(std::integral_constant<int, 1>(), half{}, f);   // half a vector is enough
    }
}

// All steps of member p, a block of columns at a time: its state stays in the cache.
void unroll_member(const Tape& k, int p, int steps, const uint8_t* starts) {
    const Shape& s = k.s;
    const long B = s.B;
    for (int b = 0; b < B;) {
        const int left = B - b, n = left >= 2 * W ? 2 * W : left < W ? left : W;
        const auto block = n == 2 * W ? forward_block<2> : forward_block<1>;
        for (int t = 0; t < steps; ++t) {
            const long at = (long)t * s.P + p;
            real* h = k.z + at * k.z_block + s.I * B;
            real* cell = k.cell + at * k.cell_block;
            for (long c = b; starts && c < b + n; ++c)
                for (long j = 0; starts[at * B + c] && j < s.H; ++j) h[j * B + c] = cell[j * B + c] = 0;
            block(k, t, p, b, n);
        }
        b += n;
    }
}

// Gradient [n] of member p; see lstm_backward.
void backward_member(const Tape& k, const real* d_heads, const Credit& credit, int p, real* gradient, int codes,
                     real* d_codes) {
    const Shape& s = k.s;
    const long H = s.H, F = s.I + s.H + 1, FP = (F + 2 * W - 1) / (2 * W) * (2 * W);
    real* dw = k.scratch;
    real* dv = dw + 4 * H * FP;
    real* rest = dv + s.O * FP;
    memset(dw, 0, (4 * H + s.O) * FP * sizeof(real));
    for (int b = 0; b < s.B;) {
        const int left = s.B - b, n = left >= 2 * W ? 2 * W : left < W ? left : W;
        const auto block = n == 2 * W ? backward_block<2> : backward_block<1>;
        block(k, d_heads, credit, p, b, n, rest, dw, dv, codes, d_codes);
        b += n;
    }
    for (long r = 0; r < 4 * H; ++r, gradient += F) memcpy(gradient, dw + r * FP, F * sizeof(real));
    for (long o = 0; o < s.O; ++o, gradient += H + 1) memcpy(gradient, dv + o * FP + s.I, (H + 1) * sizeof(real));
}

// across [F, 4H] of the parameters of one member
void turn_member(const real* parameters, long F, long H, real* across) {
    for (long f = 0; f < F; ++f)
        for (long gate = 0; gate < 4; ++gate)
            for (long r = gate * H; r < (gate + 1) * H; ++r)
                across[f * 4 * H + r] = (gate == 2 ? 2 : 1) * parameters[r * F + f];
}

}  // namespace

extern "C" {

// Feature-major with the batch last: z [T+1, P, F, B] with F = I + H + 1, cell [T+1, P, H, B], heads [T, P, O, B]. Columns
// (episodes) are worked on in blocks of N, two vectors or one, so that their gates stay in the cache from the product to
// the activation: gates [T, P, blocks, 4H, N or fewer] are i, f, sigmoid(2 z) in place of g, and o.

int struct_size() { return sizeof(Tape); }
int play_size() { return sizeof(Play); }

// across [P, F, 4H] of parameters [P, n]
void lstm_turn(int P, int F, int H, int n, const real* parameters, real* across) {
    for (long p = 0; p < P; ++p) turn_member(parameters + p * n, F, H, across + p * F * 4 * H);
}

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

// The first `steps` steps from the inputs on the tape. The state is zero where starts [T, P, B] (or null) is 1.
void lstm_unroll(const Tape* tape, int steps, const uint8_t* starts) {
    for (int p = 0; p < tape->s.P; ++p) unroll_member(*tape, p, steps, starts);
}

// All steps of all episodes, member by member, so that the state of a block of columns stays in the cache.
void lstm_play(const Tape* tape, const Play* play) {
    const Shape& s = tape->s;
    for (int p = 0; p < s.P; ++p)
        for (int b = 0; b < s.B;) {
            const int left = s.B - b, n = left < W ? left : W;
            if (left >= 2 * W) play_block<2>(*tape, *play, p, b, 2 * W);
            else play_block<1>(*tape, *play, p, b, n);
            b += left >= 2 * W ? 2 * W : W;
        }
}

// actions [P, B]: argmax over the first `choices` read-outs plus noise [P, choices, B], `noise_block` numbers from member
// to member. Written for all columns at once, so that the compiler makes vectors of it.
void lstm_choose(const Tape* tape, int t, int choices, const real* noise, long noise_block, int64_t* actions) {
    const Shape& s = tape->s;
    const int B = s.B;
    for (int p = 0; p < s.P; ++p) {
        const real* h = tape->heads + ((long)t * s.P + p) * tape->heads_block;
        const real* u = noise + p * noise_block;
        int64_t* a = actions + (long)p * B;
        for (int b = 0; b < B; ++b) {
            real best = h[b] + u[b];
            int64_t arm = 0;
            for (int k = 1; k < choices; ++k) {
                const real x = h[(long)k * B + b] + u[(long)k * B + b];
                arm = x > best ? k : arm;
                best = x > best ? x : best;
            }
            a[b] = arm;
        }
    }
}

// d_heads [T, P, O, B]; feedback, local, truncate and starts as in Credit.
// gradient [P, n] and, of the first inputs, d_codes [T, P, codes, B] are overwritten.
// scratch: aligned to 64 bytes, lstm_scratch() reals.
long lstm_scratch(const Tape* tape) {
    const Shape& s = tape->s;
    const long F = s.I + s.H + 1, FP = (F + 2 * W - 1) / (2 * W) * (2 * W), N = 2 * W;
    return 2L * s.H * N + 4L * s.H * CHUNK * N + (2L * CHUNK + 1) * N * FP + (long)s.O * CHUNK * N + (4L * s.H + s.O) * FP + s.I * N;
}

void lstm_backward(const Tape* tape, const real* d_heads, const real* feedback, int local, int truncate,
                   real* gradient, int codes, real* d_codes, const uint8_t* starts) {
    const Credit credit = {feedback, local, truncate, starts};
    for (int p = 0; p < tape->s.P; ++p)
        backward_member(*tape, d_heads, credit, p, gradient + (tape->weight(p) - tape->parameters), codes, d_codes);
}

// Passes over recorded episodes: all steps (those of the first are on the tape), the loss, its gradient [P, n] times
// `factor` [P, n] (or null), a step of the optimiser. After the first gradients it is member by member: what is said of its
// episodes stays in the cache. Norms [2, P] are those of the first pass and the last. After one that is no number nothing
// is learned, after a first one by no member. The parts of the loss are those of the first pass.
void lstm_passes(const Tape* tape, const Loss* loss, const Step* step, int passes, double max_norm, real* gradient,
                 const real* factor, const uint8_t* starts, real* norms) {
    const Shape& s = tape->s;
    const long F = s.I + s.H + 1, n = step->n;
    const Credit credit = {nullptr, 0, 0, starts};
    real* last = norms + s.P;
    bool finite = true;
    Loss told = *loss;
    const auto slope = [&](int p, bool acted) {
        choices(told, p, acted);
        backward_member(*tape, told.d_logits, credit, p, gradient + p * n, 0, nullptr);
        for (long i = p * n; factor && i < p * n + n; ++i) gradient[i] *= factor[i];
        last[p] = clip(gradient + p * n, n, max_norm);
    };
    for (int p = 0; p < s.P; ++p) { slope(p, true); finite = std::isfinite(norms[p] = last[p]) && finite; }
    told.parts = nullptr;
    for (int p = 0; finite && p < s.P; ++p)
        for (int i = 0; std::isfinite(last[p]) && i < passes; ++i) {
            optimise(*step, p, step->count + i, gradient + p * n);
            turn_member(tape->weight(p), F, s.H, tape->across + p * F * 4 * s.H);
            if (i + 1 == passes) break;
            unroll_member(*tape, p, s.T, starts);
            slope(p, false);
        }
}
}
