/** Stands where a part of Grafana's components would be loaded that the page never uses. */
const nothing = () => null;
export default nothing;
export const ReactMonacoEditor = nothing;
