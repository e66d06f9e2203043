// Vectors of 16 floats, as the compiler gives them: loads and stores of part of one, and the activations of an LSTM.
#pragma once

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

constexpr int W = 16;   // floats in a vector
typedef float vec __attribute__((vector_size(W * 4)));
typedef float uvec __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef int ivec __attribute__((vector_size(W * 4)));

// The first n floats, the others zero; all of them from n = W on.
inline vec load(const float* p, int n) {
    if (n >= W) return *(const uvec*)p;
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    vec v = {};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}
inline void store(float* p, vec v, int n) {
    if (n >= W) { *(uvec*)p = v; return; }
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}
inline vec splat(float x) { return x - vec{}; }

// 1 / (1 + exp(-x)), relative error below 3e-7
inline vec sigmoid(vec x) {
    x = x < -87.0f ? splat(-87.0f) : x;
    x = x > 87.0f ? splat(87.0f) : x;
    vec n = x * -1.44269504f;
    const vec magic = splat(12582912.0f);       // rounds to the nearest integer
    vec r = n + magic;
    ivec e = (ivec)r << 23;                     // low bits of r hold the integer
    n = n - (r - magic);                        // in [-.5, .5]
    vec p = splat(1.53533619e-4f);              // 2^n
    p = p * n + 1.33988744e-3f;
    p = p * n + 9.61843703e-3f;
    p = p * n + 5.55033216e-2f;
    p = p * n + 2.40226493e-1f;
    p = p * n + 6.93147182e-1f;
    p = p * n + 1.0f;
    p = (vec)((ivec)p + e);
    return 1.0f / (1.0f + p);
}
inline vec squash(vec x) { return 2.0f * sigmoid(2.0f * x) - 1.0f; }   // tanh

}  // namespace
