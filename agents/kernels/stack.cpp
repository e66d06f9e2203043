// Recurrent TD3: networks over packed sequences of unequal lengths, and the step of Adam that trains them.
//
// N networks have one shape: LSTMs, then ReLU layers, then a linear read-out, which are stages of a stack.
// Rows starts[t] ... starts[t] + sizes[t] belong to step t, the longest sequences first. The first state is zero. The
// parameters of a stage lie as its matrix [F, C]: a row for each number of its input z, the last ones its biases. So
// z = [value, action, 1], or [value, action, h of the step before, 1, 1] of an LSTM, whose C = 4 H gates are i, f, g, o.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lstm.h"
#include "vectors.h"

namespace {

struct Stack {
    int32_t N, T, inputs, actions, enters, lstms, stages;   // the action enters before stage `enters`; -1: nowhere
    const int32_t *units, *sizes, *starts;                  // [stages], [T], [T + 1]
    int rows() const { return starts[T]; }
};

// One stage, and where its parameters and what it keeps begin. Rows of z are Z numbers apart, gradients of C columns D.
struct Stage {
    int value, A, H, F, C;                         // numbers of the value, the action and the state in z
    long Z, D, weight, z, gates, cell, squashed;   // gates [R, 4H], cell and squashed [R, H]
};

struct Plan {
    std::vector<Stage> stages;
    long weights = 0, tape = 0;            // numbers of one network
    long panels = 0, step = 0, wide = 0;   // numbers in the parts of `Scratch`
};

Plan plan(const Stack& s) {
    Plan p;
    const long R = s.rows();
    int before = s.inputs;
    for (int i = 0; i < s.stages; ++i) {
        const bool lstm = i < s.lstms;
        const int units = s.units[i], A = i == s.enters ? s.actions : 0, H = lstm ? units : 0;
        const int F = before + A + H + (lstm ? 2 : 1), C = lstm ? 4 * units : units;
        const long Z = whole(F), D = whole(C), all = whole(R * H), z = p.tape, gates = z + R * Z;
        p.stages.push_back({before, A, H, F, C, Z, D, p.weights, z, gates, gates + 4 * all, gates + 5 * all});
        p.weights += (long)F * C;
        p.tape = gates + 6 * all;
        p.panels = std::max({p.panels, F * D, R * D, C * Z});
        p.step = std::max(p.step, s.sizes[0] * D);
        p.wide = std::max({p.wide, R * D, R * Z});
        before = units;
    }
    return p;
}

// What a call needs for one network at a time.
struct Scratch {
    real *panels, *step, *held, *delta, *other;   // step and held [B, 4H]; delta and other [R, ...]
    Scratch(const Plan& p, real* at)
        : panels(at), step(panels + p.panels), held(step + p.step), delta(held + p.step), other(delta + p.wide) {}
};

void lstm_forward(const Stack& s, const Stage& g, real* tape, const real* panels, real* pre, real* next, long next_row) {
    const int H = g.H, in = g.value + g.A;
    real *z = tape + g.z, *gates = tape + g.gates, *cell = tape + g.cell, *squashed = tape + g.squashed;
    for (int b = 0; b < s.sizes[0]; ++b) memset(z + b * g.Z + in, 0, H * sizeof(real));
    for (int t = 0; t < s.T; ++t) {
        const long at = s.starts[t], last = s.starts[t ? t - 1 : 0];
        const int later = t + 1 < s.T ? s.sizes[t + 1] : 0;
        by_panels(s.sizes[t], z + at * g.Z, g.Z, 1, panels, g.F, g.C, pre, g.D);
        for (int b = 0; b < s.sizes[t]; ++b) {
            const real* q = pre + b * g.D;
            real* a = gates + (at + b) * g.C;
            real* seen = b < later ? z + (s.starts[t + 1] + b) * g.Z + in : nullptr;
            for (int j = 0; j < H; j += W) {
                const int m = H - j;
                const long k = (at + b) * H + j;
                const auto reached = [&](int gate) { return load(q + gate * H + j, m); };
                const Gates<vec> v = {sigmoid(reached(0)), sigmoid(reached(1)), squash(reached(2)), sigmoid(reached(3))};
                const Cell<vec> now = lstm_step(v, t ? load(cell + (last + b) * H + j, m) : vec{}, squash);
                store(a + j, v.i, m); store(a + H + j, v.f, m); store(a + 2 * H + j, v.g, m); store(a + 3 * H + j, v.o, m);
                store(cell + k, now.c, m); store(squashed + k, now.y, m); store(next + (at + b) * next_row + j, now.h, m);
                if (seen) store(seen + j, now.h, m);
            }
        }
    }
}

// From the gradient `above` of the states, rows D apart, to `delta` [R, D], that of what reached the gates.
void lstm_backward(const Stack& s, const Stage& g, const real* weight, const real* tape, const real* above, long row,
                   real* delta, const Scratch& own) {
    const int H = g.H, G = g.C;
    const long HP = whole(H);
    const real *gates = tape + g.gates, *cell = tape + g.cell, *squashed = tape + g.squashed;
    real *dh = own.step, *dc = own.held;   // [B, HP]: from the step after
    pack(weight + (long)(g.value + g.A) * G, 1, G, G, H, own.panels);
    memset(dc, 0, s.sizes[0] * HP * sizeof(real));
    for (int t = s.T - 1; t >= 0; --t) {
        const long at = s.starts[t], last = s.starts[t ? t - 1 : 0];
        const int later = t + 1 < s.T ? s.sizes[t + 1] : 0;
        by_panels(later, delta + s.starts[t + 1] * g.D, g.D, 1, own.panels, G, H, dh, HP);
        for (int b = 0; b < s.sizes[t]; ++b) {
            const real* a = gates + (at + b) * G;
            real* d = delta + (at + b) * g.D;
            for (int j = 0; j < H; j += W) {
                const int m = H - j;
                vec e = load(above + (at + b) * row + j, m);
                if (b < later) e += *(const uvec*)(dh + b * HP + j);
                const Gates<vec> v = {load(a + j, m), load(a + H + j, m), load(a + 2 * H + j, m), load(a + 3 * H + j, m)};
                vec held = *(const uvec*)(dc + b * HP + j);
                const vec c0 = t ? load(cell + (last + b) * H + j, m) : vec{};
                const Gates<vec> back = lstm_step_back(v, c0, load(squashed + (at + b) * H + j, m), e, held);
                *(uvec*)(dc + b * HP + j) = held;
                store(d + j, back.i, m); store(d + H + j, back.f, m);
                store(d + 2 * H + j, back.g, m); store(d + 3 * H + j, back.o, m);
            }
        }
    }
}

// `columns` columns of rows, from rows `from_row` apart to rows `to_row` apart
void copy_rows(real* to, long to_row, const real* from, long from_row, long rows, long columns) {
    for (long r = 0; r < rows; ++r) memcpy(to + r * to_row, from + r * from_row, columns * sizeof(real));
}

}  // namespace

extern "C" {

int struct_size() { return sizeof(Stack); }

// Numbers that one network keeps for its gradient, and that a call needs beside.
long stack_tape(const Stack* s) { return plan(*s).tape; }
long stack_scratch(const Stack* s) {
    const Plan p = plan(*s);
    return p.panels + 2 * (p.step + p.wide);
}

// Read-outs out [N, R, O] from parameters flat [N, n], x [N, R, I] and action [N, R, A]. Networks are `*_block` numbers
// apart, 0 where they share: without a gradient to come, one tape does for all.
void stack_forward(const Stack* stack, const real* flat, const real* x, long x_block, const real* action,
                   long action_block, real* out, real* tape, long tape_block, real* scratch) {
    const Stack& s = *stack;
    const Plan p = plan(s);
    const Scratch own(p, scratch);
    const int R = s.rows();
    for (int n = 0; n < s.N; ++n, flat += p.weights, tape += tape_block) {
        copy_rows(tape, p.stages[0].Z, x + n * x_block, s.inputs, R, s.inputs);
        for (int i = 0; i < s.stages; ++i) {
            const Stage& g = p.stages[i];
            const bool last = i + 1 == s.stages;
            real* z = tape + g.z;
            real* next = last ? own.delta : tape + p.stages[i + 1].z;
            const long row = last ? g.D : p.stages[i + 1].Z;
            copy_rows(z + g.value, g.Z, action + n * action_block, s.actions, R, g.A);
            for (int r = 0; r < R; ++r)
                for (int f = g.value + g.A + g.H; f < g.F; ++f) z[r * g.Z + f] = 1;
            pack(flat + g.weight, g.C, 1, g.F, g.C, own.panels);
            if (g.H) lstm_forward(s, g, tape, own.panels, own.step, next, row);
            else by_panels(R, z, g.Z, 1, own.panels, g.F, g.C, next, row);
            if (last) copy_rows(out + (long)n * R * g.C, g.C, next, row, R, g.C);
            else if (!g.H)
                for (int r = 0; r < R; ++r)
                    for (int c = 0; c < g.C; c += W) {
                        uvec& v = *(uvec*)(next + r * row + c);
                        v = v < 0 ? vec{} : v;
                    }
        }
    }
}

// From d_out [N, R, O] to gradient [N, n] and d_action [N, R, A], of which one may be null: then only what the other
// needs is computed.
void stack_backward(const Stack* stack, const real* flat, const real* d_out, real* gradient, real* d_action,
                    const real* tape, long tape_block, real* scratch) {
    const Stack& s = *stack;
    const Plan p = plan(s);
    const Scratch own(p, scratch);
    const int R = s.rows(), lowest = gradient ? 0 : s.enters;
    for (int n = 0; n < s.N; ++n, flat += p.weights, tape += tape_block) {
        real *delta = own.delta, *other = own.other;
        const long outputs = s.units[s.stages - 1];
        long row = whole(outputs);
        copy_rows(delta, row, d_out + n * R * outputs, outputs, R, outputs);
        for (int i = s.stages - 1; i >= lowest; --i) {
            const Stage& g = p.stages[i];
            const real *z = tape + g.z, *weight = flat + g.weight;
            if (g.H) {
                lstm_backward(s, g, weight, tape, delta, row, other, own);
                std::swap(delta, other);
                row = g.D;
            }
            if (gradient) {
                pack(delta, row, 1, R, g.C, own.panels);
                by_panels(g.F, z, 1, g.Z, own.panels, R, g.C, gradient + n * p.weights + g.weight, g.C);
            }
            // Which columns of z are to know: of the value, unless nothing before needs it, and of the action.
            const int from = i > lowest ? 0 : g.value, to = g.value + (d_action ? g.A : 0);
            if (from == to) continue;
            pack(weight + (long)from * g.C, 1, g.C, g.C, to - from, own.panels);
            const long width = whole(to - from);
            by_panels(R, delta, row, 1, own.panels, g.C, to - from, other, width);
            if (d_action && g.A)
                copy_rows(d_action + (long)n * R * g.A, g.A, other + g.value - from, width, R, g.A);
            if (i > s.lstms)
                for (int r = 0; r < R; ++r)
                    for (int c = 0; c < g.value; c += W) {
                        uvec& v = *(uvec*)(other + r * width + c);
                        v = *(const uvec*)(z + r * g.Z + c) <= 0 ? vec{} : v;
                    }
            std::swap(delta, other);
            row = width;
        }
    }
}

// One step of Adam (Kingma & Ba 2015) over n weights, and of an average that follows them, or null.
// `rate` and `root` correct the bias of the moments. Shares: of the gradient in the first moment, of its square in the
// second, and of the weights in the average.
void adam(long n, real* __restrict weight, const real* __restrict gradient, real* __restrict first,
          real* __restrict second, real* __restrict average, double rate, double root, double epsilon,
          const double* shares) {
    const real r = rate, q = root, e = epsilon, s1 = shares[0], s2 = shares[1], kept = 1 - shares[1], s3 = shares[2];
    const auto step = [=](long i) {
        const real g = gradient[i];
        first[i] += s1 * (g - first[i]);
        second[i] = kept * second[i] + s2 * g * g;
        return weight[i] -= r * first[i] / (q * std::sqrt(second[i]) + e);
    };
    if (average)
        for (long i = 0; i < n; ++i) average[i] += s3 * (step(i) - average[i]);
    else
        for (long i = 0; i < n; ++i) step(i);
}
}
