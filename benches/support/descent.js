// A parser by recursive descent, of expressions whose brackets nest up to 400 levels deep.
function* tokens(text) { for (const [token] of text.matchAll(/\d+|[-+*()]/g)) yield token; }
class Parser {
    constructor(text) { this.all = [...tokens(text)]; this.at = 0; }
    sum() {
        let left = this.product();
        while ('+-'.includes(this.all[this.at] ?? ' ')) left = { op: this.all[this.at++], left, right: this.product() };
        return left;
    }
    product() {
        let left = this.atom();
        while (this.all[this.at] === '*') left = { op: this.all[this.at++], left, right: this.atom() };
        return left;
    }
    atom() {
        const token = this.all[this.at++];
        if (token !== '(') return { number: +token };
        const inner = this.sum();
        this.at++;
        return { inner };
    }
}
const texts = Array.from({ length: 20 }, (_, i) => {
    const depth = 20 * (i + 1);
    return '('.repeat(depth) + '1' + '+2*3)'.repeat(depth);
});
function work() { return texts.map((text) => new Parser(text).sum()).length; }
