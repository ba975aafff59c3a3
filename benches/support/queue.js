// A work queue of 15,000 elements: put on at the end, shifted off at the front.
function work() {
    const queue = [];
    let sum = 0;
    for (let i = 0; i < 15000; i++) queue.push(i);
    while (queue.length > 0) sum += queue.shift();
    return sum;
}
