// A step of the optimiser, and the loss of one softmax with its gradient, of one member. PyTorch does the same in
// agents/common.
#pragma once

#include <cmath>
#include <cstdint>

#include "vectors.h"

namespace {

struct Step {
    int64_t P, n, count, adam;          // members, parameters of each, steps with this one, 1: Adam, 0: RMSProp
    int64_t rate_row, rate_column;      // numbers of `rate` from member to member, from parameter to parameter
    real *parameters, *first, *second;  // [P, n]
    const real *gradient, *rate;        // [P, n]
    double decay, beta, epsilon;
};

struct Loss {
    int64_t T, P, B, K;
    int64_t logits_t, logits_p, values_t, values_p;   // numbers from step to step, from member to member
    const real *logits, *values;
    real *d_logits, *d_values;                        // laid out as these
    const int64_t* actions;                           // [T, P, B], as those that follow
    const real *advantages, *targets, *weight;        // the last may be null
    real* old;                                        // null, or log-probabilities by the policy that acted
    const real *entropy_coef, *unit;                  // [P]; unit may be null
    real* parts;                                      // [4, P]: loss, entropy, value loss, policy loss; or null
    double value_coef, clip;                          // clip counts where there is `old`
};

// Scale n numbers to norm `limit` at most; return the norm before.
real clip(real* x, long n, double limit) {
    vec sums[4] = {};
    for (long i = 0; i < n; i += W) {
        const vec v = load(x + i, n - i < W ? n - i : W);
        sums[i / W % 4] += v * v;
    }
    const vec all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    real sum = 0;
    for (int i = 0; i < W; ++i) sum += all[i];
    const real norm = std::sqrt(sum), scale = (real)limit / (norm + (real)1e-6);
    if (!(scale >= 1))   // or is not a number
        for (long i = 0; i < n; ++i) x[i] *= scale;
    return norm;
}

// One step of member p.
void optimise(const Step& s, long p, int64_t count, const real* __restrict g) {
    real* __restrict x = s.parameters + p * s.n;
    real* __restrict first = s.first + p * s.n;
    real* __restrict second = s.second + p * s.n;
    const real* rate = s.rate + p * s.rate_row;
    const real keep = s.decay, add = 1 - s.decay, epsilon = s.epsilon;
    if (s.adam) {
        const real lerp = 1 - s.beta, start = 1 - std::pow(s.beta, (double)count);
        const real correction = std::sqrt(1 - std::pow(s.decay, (double)count));
        const auto step = [&](auto size) {
            for (long i = 0; i < s.n; ++i) {
                second[i] = keep * second[i] + add * g[i] * g[i];
                first[i] += lerp * (g[i] - first[i]);
                x[i] -= first[i] / (std::sqrt(second[i]) / correction + epsilon) * size(i);
            }
        };
        const real one = rate[0] / start;
        if (s.rate_column) step([&](long i) { return rate[i] / start; });
        else step([&](long) { return one; });
    } else {
        for (long i = 0; i < s.n; ++i) {
            second[i] = keep * second[i] + add * g[i] * g[i];
            x[i] -= g[i] / (std::sqrt(second[i]) + epsilon) * rate[i * s.rate_column];
        }
    }
}

// Loss, its parts and its gradient, of member p. `acted`: by the policy that acted, and `old` is written.
void choices(const Loss& k, long p, bool acted = false) {
    const long B = k.B, rows = k.P * B;
    const real even = (real)1 / (k.T * B), coef = k.entropy_coef[p], unit = k.unit ? k.unit[p] : 1;
    const real low = 1 - k.clip, high = 1 + k.clip, steep = 2 * k.value_coef;
    vec entropies = {}, errors = {}, gains = {};
    for (long t = 0; t < k.T; ++t)
        for (long b = 0; b < B; b += W) {
            const int n = B - b < W ? B - b : W;
            const long at = t * rows + p * B + b;
            const real* x = k.logits + t * k.logits_t + p * k.logits_p + b;
            real* d = k.d_logits + t * k.logits_t + p * k.logits_p + b;
            vec top = load(x, n), all = {}, share = {}, chosen = {};
            for (long a = 1; a < k.K; ++a) {
                const vec other = load(x + a * B, n);
                top = other > top ? other : top;
            }
            for (long a = 0; a < k.K; ++a) {
                const vec lower = load(x + a * B, n) - top;
                const vec e = lower < -80 ? vec{} : exponential(lower);   // exactly 0 where an option is forbidden
                store(d + a * B, e, n);
                all += e;
            }
            for (int i = 0; i < n; ++i) {
                top[i] += std::log(all[i]);
                chosen[i] = x[k.actions[at + i] * B + i];
                share[i] = k.weight ? k.weight[at + i] : even;
            }
            chosen -= top;   // log-probability of the action
            vec entropy = {};
            for (long a = 0; a < k.K; ++a) {
                const vec probability = load(d + a * B, n) / all;
                store(d + a * B, probability, n);
                entropy -= probability * (load(x + a * B, n) - top);
            }
            const vec advantage = load(k.advantages + at, n);
            vec gain = chosen * advantage, slope = advantage;
            if (k.old && acted) {
                store(k.old + at, chosen, n);
                gain = advantage;   // the ratio is 1
            } else if (k.old) {
                const vec ratio = exponential(chosen - load(k.old + at, n));
                vec kept = ratio < low ? splat(low) : ratio;
                kept = (kept > high ? splat(high) : kept) * advantage;
                slope = ratio * advantage;
                gain = kept < slope ? kept : slope;
                slope = slope > gain ? vec{} : slope;
            }
            for (long a = 0; a < k.K; ++a) {
                const vec law = load(x + a * B, n) - top;
                store(d + a * B, load(d + a * B, n) * (slope + coef * (law + entropy)) * share, n);
            }
            for (int i = 0; i < n; ++i) d[k.actions[at + i] * B + i] -= slope[i] * share[i];
            const long place = t * k.values_t + p * k.values_p + b;
            const vec error = (load(k.values + place, n) - load(k.targets + at, n)) / unit;
            store(k.d_values + place, error * (steep / unit) * share, n);
            entropies += entropy * share;
            errors += error * error * share;
            gains += gain * share;
        }
    if (!k.parts) return;
    real entropy = 0, error = 0, gain = 0;
    for (int i = 0; i < W; ++i) { entropy += entropies[i]; error += errors[i]; gain += gains[i]; }
    const real parts[] = {(real)k.value_coef * error - gain - coef * entropy, entropy, error, -gain};
    for (int i = 0; i < 4; ++i) k.parts[i * k.P + p] = parts[i];
}

}  // namespace

extern "C" {

int step_size() { return sizeof(Step); }
int loss_size() { return sizeof(Loss); }
}
