// Walks through the sum trees of agents/replay/priorities.py, with the sums in the same order: the results are the same
// bit for bit.
//
// Level k of member p is a row of widths[k] doubles; the children of node j are numbers FAN * j ... FAN * j + FAN - 1 of the
// level below, and a node is their sum from left to right.

#include <cmath>
#include <cstdint>

namespace {

constexpr int64_t FAN = 32;

inline double sum(const double* block) {
    double s = block[0];
    for (int c = 1; c < FAN; ++c) s += block[c];
    return s;
}

}  // namespace

extern "C" {

// Leaves [P, n] at these fractions [P, n] of the cumulative weight.
void tree_find(double* const* levels, const int64_t* widths, int64_t depth, int64_t members,
               int64_t n, const double* fraction, int64_t* leaf) {
    for (int64_t p = 0; p < members; ++p) {
        const double total = sum(levels[0] + p * widths[0]);
        for (int64_t i = p * n; i < (p + 1) * n; ++i) {
            double target = fraction[i] * total, below = total;
            int64_t node = 0;
            for (int64_t k = 0; k < depth; ++k) {
                const double* block = levels[k] + p * widths[k] + node * FAN;
                // Rounding must not carry the target past the last child that has any weight.
                const double limit = std::nextafter(below, 0.0);
                if (limit < target) target = limit;
                double start = 0.0, end = block[0];
                int64_t child = 0;
                while (end <= target && child < FAN - 1) {
                    start = end;
                    end += block[++child];
                }
                target -= start;
                below = block[child];
                node = node * FAN + child;
            }
            leaf[i] = node;
        }
    }
}

// New weights [m] of leaves; of a leaf that is there twice the larger one counts. `leaf` is overwritten.
void tree_set(double* const* levels, const int64_t* widths, int64_t depth, int64_t m,
              const int64_t* member, int64_t* leaf, const double* weight) {
    double* bottom = levels[depth - 1];
    const int64_t width = widths[depth - 1];
    for (int64_t i = 0; i < m; ++i) bottom[member[i] * width + leaf[i]] = 0.0;
    for (int64_t i = 0; i < m; ++i) {
        double& slot = bottom[member[i] * width + leaf[i]];
        if (weight[i] > slot) slot = weight[i];
    }
    for (int64_t k = depth - 1; k > 0; --k) {
        for (int64_t i = 0; i < m; ++i) {
            const int64_t node = leaf[i] / FAN;
            const bool done = i > 0 && member[i] == member[i - 1] && node == leaf[i - 1];
            leaf[i] = node;
            if (done) continue;  // slots that follow each other share their parent
            levels[k - 1][member[i] * widths[k - 1] + node] =
                sum(levels[k] + member[i] * widths[k] + node * FAN);
        }
    }
}

}  // extern "C"
