// Whole lifetimes of small recurrent actor-critics, one after the other: act, back-propagate through time, step, until
// the test. A network, its gradient and its optimiser stay in the cache for a whole life. agents/evolution/lifetimes.py
// computes the same with PyTorch, and says what it is; observations and rewards are tabulated beforehand.
//
// Weights are stored input by output, so that the inner loops run along contiguous outputs:
//   embedding [I, E], bias [E] (none if E = 0) | LSTM: input [X, 4H], state [H, 4H], two biases [4H] (gates i, f, g, o)
//   | critic [H], bias | actor [H, A], bias [A]

// Large weights make exp infinite and sigmoid 0: without infinities in its mathematics, GCC gets them wrong.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3,fast-math,no-finite-math-only")
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lstm.h"

extern "C" {
struct Life {
  int32_t D, I, E, H, A;              // observation, inputs, embedding, units, actions
  int32_t updates, episodes, T, test;  // optimiser steps, episodes each, their steps; steps of the test
  int32_t action, reward, centred, time;  // first row of each input; -1 where there is none
  float scale, shift, decay, epsilon;  // of the centred reward; of RMSProp
};
}

namespace {

float sigmoid(float x) { return 1.f / (1.f + std::exp(-x)); }
float squash(float x) { return 2.f / (1.f + std::exp(-2.f * x)) - 1.f; }

template <int UNITS, int EMBEDDED>
struct Network {
  const Life &s;
  const int H, E, X, G, We, be, Wi, Wh, bi, bh, Wc, bc, Wa, ba, n;

  explicit Network(const Life &s)
      : s(s), H(UNITS ? UNITS : s.H), E(UNITS ? EMBEDDED : s.E), X(E ? E : s.I), G(4 * H), We(0), be(We + s.I * E),
        Wi(be + E), Wh(Wi + X * G), bi(Wh + H * G), bh(bi + G), Wc(bh + G), bc(Wc + H), Wa(bc + 1), ba(Wa + H * s.A),
        n(ba + s.A) {}

  // One step's record: x [I], e [E], h before [H], c before [H], gates [4H], c [H], tanh c [H], h [H], p [A], v.
  int ex() const { return s.I; }
  int hx() const { return ex() + E; }
  int cx() const { return hx() + H; }
  int zx() const { return cx() + H; }
  int ax() const { return zx() + G; }
  int tx() const { return ax() + H; }
  int ox() const { return tx() + H; }
  int px() const { return ox() + H; }
  int vx() const { return px() + s.A; }
  int size() const { return vx() + 1; }

  void forward(const float *w, float *r) const {
    const float *in = r;
    if (E) {
      float *e = r + ex();
      for (int j = 0; j < E; j++) e[j] = w[be + j];
      for (int k = 0; k < s.I; k++) {
        const float x = r[k], *row = w + We + k * E;
        for (int j = 0; j < E; j++) e[j] += x * row[j];
      }
      in = e;
    }
    float *z = r + zx();
    const float *h = r + hx(), *c = r + cx();
    for (int j = 0; j < G; j++) z[j] = w[bi + j] + w[bh + j];
    for (int k = 0; k < X; k++) {
      const float x = in[k], *row = w + Wi + k * G;
      for (int j = 0; j < G; j++) z[j] += x * row[j];
    }
    for (int k = 0; k < H; k++) {
      const float x = h[k], *row = w + Wh + k * G;
      for (int j = 0; j < G; j++) z[j] += x * row[j];
    }
    for (int j = 0; j < 2 * H; j++) z[j] = sigmoid(z[j]);
    for (int j = 2 * H; j < 3 * H; j++) z[j] = squash(z[j]);
    for (int j = 3 * H; j < G; j++) z[j] = sigmoid(z[j]);
    float *after = r + ax(), *t = r + tx(), *out = r + ox();
    for (int j = 0; j < H; j++) {
      const Gates<float> a = {z[j], z[H + j], z[2 * H + j], z[3 * H + j]};
      const Cell<float> now = lstm_step(a, c[j], [](float x) { return squash(x); });
      after[j] = now.c, t[j] = now.y, out[j] = now.h;
    }
    float v = w[bc];
    for (int j = 0; j < H; j++) v += w[Wc + j] * out[j];
    r[vx()] = v;
    float *p = r + px(), most = -1e30f, sum = 0;
    for (int a = 0; a < s.A; a++) p[a] = w[ba + a];
    for (int j = 0; j < H; j++)
      for (int a = 0; a < s.A; a++) p[a] += out[j] * w[Wa + j * s.A + a];
    for (int a = 0; a < s.A; a++) most = std::max(most, p[a]);
    for (int a = 0; a < s.A; a++) sum += p[a] = std::exp(p[a] - most);
    for (int a = 0; a < s.A; a++) p[a] /= sum;
  }

  // Plays one episode into the records; returns its reward.
  float play(const float *w, float *records, int T, const float *seen, const float *paid, const float *uniform,
             int8_t *actions) const {
    float total = 0, last = 0;
    int before = -1;
    for (int t = 0; t < T; t++) {
      float *r = records + (size_t)t * size();
      std::memcpy(r, seen + (size_t)t * s.D, s.D * sizeof(float));
      std::fill(r + s.D, r + s.I, 0.f);
      if (t) {
        if (s.action >= 0) r[s.action + before] = 1.f;
        if (s.reward >= 0) r[s.reward] = last;
        if (s.centred >= 0) r[s.centred] = last * s.scale + s.shift;
        if (s.time >= 0) r[s.time] = (float)t / T;
        std::memcpy(r + hx(), r - size() + ox(), H * sizeof(float));
        std::memcpy(r + cx(), r - size() + ax(), H * sizeof(float));
      } else {
        std::fill(r + hx(), r + hx() + 2 * H, 0.f);
      }
      forward(w, r);
      int a = 0;
      for (float low = r[px()]; a < s.A - 1 && uniform[t] >= low; low += r[px() + a]) a++;
      actions[t] = (int8_t)a;
      before = a;
      last = paid[(size_t)t * s.A + a];
      total += last;
    }
    return total;
  }

  // Adds the gradient of one episode's loss, divided by `steps`.
  void backward(const float *w, float *g, const float *records, int T, const float *paid, const int8_t *actions,
                float discount, float value, float entropy, float steps, float *work) const {
    float *dh = work, *dc = dh + H, *dz = dc + H, *dl = dz + G, *returns = dl + s.A;
    std::fill(dh, dh + 2 * H, 0.f);
    float sum = 0;
    for (int t = T - 1; t >= 0; t--) returns[t] = sum = paid[(size_t)t * s.A + actions[t]] + discount * sum;
    for (int t = T - 1; t >= 0; t--) {
      const float *r = records + (size_t)t * size(), *p = r + px(), *z = r + zx(), *tanh_c = r + tx(), *c = r + cx(),
                  *h = r + hx(), *out = r + ox(), *in = E ? r + ex() : r;
      const float advantage = returns[t] - r[vx()], dv = -2.f * value * advantage / steps;
      float uncertain = 0;
      for (int a = 0; a < s.A; a++) uncertain -= p[a] * std::log(p[a] + 1e-20f);
      for (int a = 0; a < s.A; a++)
        dl[a] = ((p[a] - (a == actions[t])) * advantage + entropy * p[a] * (std::log(p[a] + 1e-20f) + uncertain)) / steps;
      g[bc] += dv;
      for (int a = 0; a < s.A; a++) g[ba + a] += dl[a];
      for (int j = 0; j < H; j++) {
        g[Wc + j] += dv * out[j];
        dh[j] += dv * w[Wc + j];
        for (int a = 0; a < s.A; a++) {
          g[Wa + j * s.A + a] += dl[a] * out[j];
          dh[j] += dl[a] * w[Wa + j * s.A + a];
        }
      }
      for (int j = 0; j < H; j++) {
        const Gates<float> a = {z[j], z[H + j], z[2 * H + j], z[3 * H + j]};
        const Gates<float> back = lstm_step_back(a, c[j], tanh_c[j], dh[j], dc[j]);
        dz[j] = back.i, dz[H + j] = back.f, dz[2 * H + j] = back.g, dz[3 * H + j] = back.o;
      }
      for (int j = 0; j < G; j++) g[bi + j] += dz[j];
      for (int k = 0; k < X; k++) {
        const float x = in[k], *row = w + Wi + k * G;
        float *into = g + Wi + k * G, d = 0;
        for (int j = 0; j < G; j++) into[j] += x * dz[j];
        if (E) {
          for (int j = 0; j < G; j++) d += row[j] * dz[j];
          g[be + k] += d;
          for (int i = 0; i < s.I; i++) g[We + i * E + k] += r[i] * d;
        }
      }
      for (int k = 0; k < H; k++) {
        const float x = h[k], *row = w + Wh + k * G;
        float *into = g + Wh + k * G, d = 0;
        for (int j = 0; j < G; j++) into[j] += x * dz[j];
        for (int j = 0; j < G; j++) d += row[j] * dz[j];
        dh[k] = d;
      }
    }
  }
};

// See `lifetimes_live`.
template <int UNITS, int EMBEDDED>
void live(const Life &s, long lives, const float *born, const float *hyper, const float *seen, const float *paid,
          const float *uniform, const float *test_seen, const float *test_paid, const float *test_uniform,
          int8_t *actions, float *scores, float *learned) {
  const Network<UNITS, EMBEDDED> net(s);
  const int longest = std::max(s.T, s.test), n = net.n, played = s.updates * s.episodes * s.T + s.test;
  std::vector<float> w(n), g(n), square(n), records((size_t)longest * net.size()), work(6 * net.H + net.G + s.A + longest);
  for (long life = 0; life < lives; life++) {
    std::memcpy(w.data(), born + life * n, n * sizeof(float));
    std::fill(square.begin(), square.end(), 0.f);
    const float rate = hyper[4 * life], discount = hyper[4 * life + 1], value = hyper[4 * life + 2],
                entropy = hyper[4 * life + 3];
    int8_t *done = actions + life * played;
    for (int u = 0; u < s.updates; u++) {
      std::fill(g.begin(), g.end(), 0.f);
      for (int b = 0; b < s.episodes; b++) {
        const size_t at = ((size_t)(life * s.updates + u) * s.episodes + b) * s.T;
        net.play(w.data(), records.data(), s.T, seen + at * s.D, paid + at * s.A, uniform + at, done);
        net.backward(w.data(), g.data(), records.data(), s.T, paid + at * s.A, done, discount, value, entropy,
                     (float)(s.T * s.episodes), work.data());
        done += s.T;
      }
      std::memcpy(&g[net.bh], &g[net.bi], net.G * sizeof(float));
      for (int j = 0; j < n; j++) {
        square[j] = s.decay * square[j] + (1 - s.decay) * g[j] * g[j];
        w[j] -= rate * g[j] / (std::sqrt(square[j]) + s.epsilon);
      }
    }
    scores[life] = net.play(w.data(), records.data(), s.test, test_seen + (size_t)life * s.test * s.D,
                            test_paid + (size_t)life * s.test * s.A, test_uniform + (size_t)life * s.test, done);
    if (learned) std::memcpy(learned + life * n, w.data(), n * sizeof(float));
  }
}

}  // namespace

extern "C" {

int struct_size() { return sizeof(Life); }

// Weights of one network.
long lifetimes_size(const Life *s) { return Network<0, 0>(*s).n; }

// Lives L lives. born [L, n]; hyper [L, 4] (learning rate, discount, value and entropy weights); seen [L, updates, episodes,
// T, D], paid [.., A], uniform [..]; the same of the test [L, test, ..]; actions [L, updates * episodes * T + test]; scores
// [L]; learned [L, n] or null.
void lifetimes_live(const Life *s, long lives, const float *born, const float *hyper, const float *seen, const float *paid,
                    const float *uniform, const float *test_seen, const float *test_paid, const float *test_uniform,
                    int8_t *actions, float *scores, float *learned) {
  const auto run = s->H == 20 && s->E == 20 ? live<20, 20>
                   : s->H == 20 && !s->E    ? live<20, 0>
                   : s->H == 48 && !s->E    ? live<48, 0>
                                            : live<0, 0>;
  run(*s, lives, born, hyper, seen, paid, uniform, test_seen, test_paid, test_uniform, actions, scores, learned);
}
}
