// The equations of the LSTM, and their derivative, for vectors or single numbers V.
//
//   i, f, o = sigmoid(.), g = tanh(.), c = f c0 + i g, y = tanh(c), h = o y
#pragma once

namespace {

template <class V>
struct Gates { V i, f, g, o; };

template <class V>
struct Cell { V c, y, h; };

// The step from cell state c0; `squash` is tanh.
template <class V, class Squash>
inline Cell<V> lstm_step(const Gates<V>& a, V c0, Squash squash) {
    const V c = a.f * c0 + a.i * a.g, y = squash(c);
    return {c, y, a.o * y};
}

// Gradients of what reached the gates. dh: gradient of h; dc: gradient of c from later steps, becomes that of c0.
template <class V>
inline Gates<V> lstm_step_back(const Gates<V>& a, V c0, V y, V dh, V& dc) {
    const V d = dc + dh * a.o * (1 - y * y);
    dc = d * a.f;
    return {d * a.g * (a.i - a.i * a.i), d * c0 * (a.f - a.f * a.f), d * a.i * (1 - a.g * a.g), dh * y * (a.o - a.o * a.o)};
}

}  // namespace
