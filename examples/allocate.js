// What the examples run when they are given no script: arrays in arrays, and flat ones.

function innerArray(length) {
    const inner = [];
    for (let i = 0; i < length; i++) inner.push({ i, text: `item ${i}` });
    return inner;
}

function nestedArray(rows, columns) {
    const outer = [];
    for (let i = 0; i < rows; i++) outer.push(innerArray(columns));
    return outer;
}

function flatArray(length) {
    return new Array(length).fill(0).map((_, i) => i * 1.5);
}

globalThis.kept = [nestedArray(200, 50), flatArray(50000)];
