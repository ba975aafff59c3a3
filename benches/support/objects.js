// Objects of a few kinds, kept for a while and thrown away.
class Item { constructor(i) { this.id = i; this.tags = ['a' + i % 7, 'b' + i % 11]; } }
function work() {
    const byTag = new Map();
    for (let i = 0; i < 20000; i++) {
        const item = new Item(i);
        for (const tag of item.tags) {
            if (!byTag.has(tag)) byTag.set(tag, []);
            byTag.get(tag).push({ ...item, tag });
        }
    }
    return JSON.parse(JSON.stringify([...byTag])).length;
}
