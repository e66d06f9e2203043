// What a learner computes after each batch of episodes: the loss of one softmax and its gradient, the fit of the
// privileged critic, steps of the optimiser. PyTorch does the same in agents/common and agents/a2c/critic.py.
//
// Numbers are `real`, float or double (vectors.h).

#include <cmath>
#include <cstdint>
#include <cstring>

#include "learning.h"
#include "vectors.h"

namespace {

constexpr int SAMPLES = 48;   // that a perceptron works on at a time: they and its activity stay in the cache

struct Returns {
    int64_t T, P, B, discount_t, discount_p, discount_b;   // the latter: numbers from step to step, and so on
    const real *rewards, *discount, *values;
    real *advantages, *targets;
    double lambda;
};

struct Critic {
    int64_t P, F, S, U, passes;                       // members, features, samples, units, steps of the optimiser
    const real *features, *targets, *weight;          // [P, F, S], [P, S], [P, S] or null
    real *values, *error;                             // [P, S] and [P], of the last pass
    real *kept, *gradient, *scratch;                  // [P, S, whole(U)] by critic_values(), [n], critic_scratch()
    double max_norm;
    Step step;
};

// Generalised advantages and targets of member p; see gae in agents/common/returns.py. All but `discount` are [T, P, B].
void advantages(const Returns& k, long p) {
    for (long t = k.T - 1; t >= 0; --t) {
        const long at = (t * k.P + p) * k.B, next = at + k.P * k.B;
        const real* d = k.discount + t * k.discount_t + p * k.discount_p;
        const bool last = t + 1 == k.T;
        for (long b = 0; b < k.B; ++b) {
            const real keep = d[b * k.discount_b];
            const real delta = k.rewards[at + b] + (last ? 0 : keep * k.values[next + b]) - k.values[at + b];
            k.advantages[at + b] = delta + (last ? 0 : keep * (real)k.lambda * k.advantages[next + b]);
            k.targets[at + b] = k.advantages[at + b] + k.values[at + b];
        }
    }
}

// Mean over the steps of member p of f(x); weights [T, P, B] may be null.
template <class F>
double mean(int64_t T, int64_t P, int64_t B, long p, const real* x, const real* weight, F f) {
    double sum = 0;
    for (long t = 0; t < T; ++t)
        for (long i = (t * P + p) * B, end = i + B; i < end; ++i) sum += f(x[i]) * (weight ? weight[i] : 1);
    return weight ? sum : sum / (T * B);
}

// out [rows, UP] (+)= a(r, k) b [K, UP]; UP is a number of whole vectors.
template <bool ADD>
void wide(int rows, const real* a, long ar, long ak, const real* b, int K, long UP, real* out) {
    long u = 0;
    for (; u + 2 * W <= UP; u += 2 * W) product<2, ADD>(rows, a, ar, ak, b + u, UP, K, out + u, UP);
    if (u < UP) product<1, ADD>(rows, a, ar, ak, b + u, UP, K, out + u, UP);
}

// The perceptron of one member: its weights turned, and what it computes of a block of samples.
struct Perceptron {
    const Critic& k;
    const long p, UP = whole(k.U);
    const real* weights = k.step.parameters + p * k.step.n;
    const real* second = weights + k.U * k.F;   // [U], and the bias
    real* across = k.scratch;                   // [F, UP]
    real* x = across + k.F * UP;                // [F, SAMPLES]
    real* active = x + k.F * SAMPLES;           // [SAMPLES, UP]
    real* d_across = active + SAMPLES * UP;     // [F, UP]
    real* d_second = d_across + k.F * UP;       // [UP]
    real* reader = d_second + UP;               // [UP]

    Perceptron(const Critic& critic, long member) : k(critic), p(member) {
        memset(reader, 0, UP * sizeof(real));
        memset(across, 0, k.F * UP * sizeof(real));
    }

    void turn() const {
        memcpy(reader, second, k.U * sizeof(real));
        for (long u = 0; u < k.U; ++u)
            for (long f = 0; f < k.F; ++f) across[f * UP + u] = weights[u * k.F + f];
    }

    long block(long s) const { return k.S - s < SAMPLES ? k.S - s : SAMPLES; }

    void gather(long s, long n) const {
        for (long f = 0; f < k.F; ++f) memcpy(x + f * SAMPLES, k.features + (p * k.F + f) * k.S + s, n * sizeof(real));
    }

    // Activity and values of n samples from s on, which have been gathered.
    void forward(long s, long n, real* activity) const {
        wide<false>(n, x, 1, SAMPLES, across, k.F, UP, activity);
        for (long i = 0; i < n; ++i) {
            vec sum = {};
            for (long u = 0; u < UP; u += W) {
                vec& a = *(vec*)(activity + i * UP + u);
                a = a < 0 ? vec{} : a;
                sum += a * *(vec*)(reader + u);
            }
            real value = second[k.U];
            for (int j = 0; j < W; ++j) value += sum[j];
            k.values[p * k.S + s + i] = value;
        }
    }

    // Step i of the optimiser; returns the error before it. Activity and values before the first one are known.
    real fit(int64_t i) const {
        turn();
        memset(d_across, 0, (k.F + 1) * UP * sizeof(real));
        const long at = p * k.S;
        const real share = (real)2 / k.S;
        double loss = 0, d_bias = 0;
        for (long s = 0; s < k.S; s += SAMPLES) {
            const long n = block(s);
            real* activity = i ? active : k.kept + (at + s) * UP;
            gather(s, n);
            if (i) forward(s, n, activity);
            for (long j = 0; j < n; ++j) {
                const real error = k.values[at + s + j] - k.targets[at + s + j];
                const real slope = k.weight ? error * k.weight[at + s + j] : error, d = slope * share;
                loss += error * slope;
                d_bias += d;
                for (long u = 0; u < UP; u += W) {
                    vec& a = *(vec*)(activity + j * UP + u);
                    *(vec*)(d_second + u) += a * d;
                    a = a > 0 ? *(vec*)(reader + u) * d : vec{};
                }
            }
            wide<true>(k.F, x, SAMPLES, 1, activity, n, UP, d_across);
        }
        for (long u = 0; u < k.U; ++u)
            for (long f = 0; f < k.F; ++f) k.gradient[u * k.F + f] = d_across[f * UP + u];
        memcpy(k.gradient + k.U * k.F, d_second, k.U * sizeof(real));
        k.gradient[k.U * k.F + k.U] = d_bias;
        clip(k.gradient, k.step.n, k.max_norm);
        optimise(k.step, p, k.step.count + i, k.gradient);
        return loss / k.S;
    }
};

}  // namespace

extern "C" {

int returns_size() { return sizeof(Returns); }
int critic_size() { return sizeof(Critic); }

// Scale the rows of x [P, n] to norm `limit` at most; norms [P] are those before.
void clip_rows(int64_t P, int64_t n, real* x, double limit, real* norms) {
    for (int64_t p = 0; p < P; ++p) norms[p] = clip(x + p * n, n, limit);
}

void optimiser_step(const Step* step) {
    for (int64_t p = 0; p < step->P; ++p) optimise(*step, p, step->count, step->gradient + p * step->n);
}

void choices_loss(const Loss* loss) {
    for (int64_t p = 0; p < loss->P; ++p) choices(*loss, p);
}

void generalised_advantages(const Returns* returns) {
    for (int64_t p = 0; p < returns->P; ++p) advantages(*returns, p);
}

// Deviations [P] of x [T, P, B] and, if there is such an array, x with mean 0 and deviation 1.
void standardise(int64_t T, int64_t P, int64_t B, const real* x, const real* weight, real* deviations, real* out) {
    for (int64_t p = 0; p < P; ++p) {
        const real middle = mean(T, P, B, p, x, weight, [](real y) { return y; });
        const auto square = [&](real y) { return (y - middle) * (y - middle); };
        deviations[p] = std::sqrt(mean(T, P, B, p, x, weight, square));
        for (int64_t t = 0; out && t < T; ++t)
            for (int64_t i = (t * P + p) * B, end = i + B; i < end; ++i)
                out[i] = (x[i] - middle) / (deviations[p] + (real)1e-8);
    }
}

// Numbers of scratch, aligned to 64 bytes, that the critic needs.
int64_t critic_scratch(int64_t F, int64_t U) { return (2 * F + 2 + SAMPLES) * whole(U) + F * SAMPLES; }

void critic_values(const Critic* critic) {
    for (int64_t p = 0; p < critic->P; ++p) {
        const Perceptron one(*critic, p);
        one.turn();
        for (int64_t s = 0; s < critic->S; s += SAMPLES) {
            one.gather(s, one.block(s));
            one.forward(s, one.block(s), critic->kept + (p * critic->S + s) * one.UP);
        }
    }
}

// After critic_values() of the same features, by the same weights.
void critic_fit(const Critic* critic) {
    for (int64_t p = 0; p < critic->P; ++p) {
        const Perceptron one(*critic, p);
        for (int64_t i = 0; i < critic->passes; ++i) critic->error[p] = one.fit(i);
    }
}
}
