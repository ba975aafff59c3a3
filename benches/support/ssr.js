// Server-side rendering of components that are nested 200 levels deep: stacks of 400 frames and more.
function h(type, props, ...children) { return { type, props, children }; }
function Box({ depth }) {
    return depth ? h(Box, { depth: depth - 1 }, h(Leaf, { n: depth })) : h('i', {});
}
function Leaf({ n }) { return h('b', { title: 'x' + n }, 'leaf ' + n); }
function renderChildren(list) { let out = ''; for (const child of list) out += renderNode(child); return out; }
function renderNode(node) {
    if (typeof node === 'string') return node;
    if (typeof node.type === 'function') {
        return renderNode(node.type(node.props)) + renderChildren(node.children);
    }
    return '<' + node.type + '>' + renderChildren(node.children) + '</' + node.type + '>';
}
function renderToString(node) { return renderNode(node); }
function work() {
    let length = 0;
    for (let i = 0; i < 50; i++) length += renderToString(h(Box, { depth: 200 })).length;
    return length;
}
